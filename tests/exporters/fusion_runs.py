"""Random models, exported and fused, and the two ways to read tokens with their graphs."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="exporting needs the extra 'export'")
pytest.importorskip("optimum.exporters.onnx", reason="exporting needs the extra 'export'")

import onnx
import onnxruntime
import torch
import transformers

from baco_exporters.fusion.fuse import fuse
from baco_exporters.fusion.outcome import Fused
from baco_exporters.graph import share_weights
from baco_exporters.onnx_export import run_optimum

Rows = NDArray[np.float32]
VOCABULARY = 300
POSITIONS = 256
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "pad_token_id": 257,
}
_NO_GROUPS = {name: value for name, value in _SIZES.items() if name != "num_key_value_heads"}
_OLD = {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}
_WINDOW = {"sliding_window": 8}
_LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
_GEMMA = _SIZES | _WINDOW | {"head_dim": 16, "query_pre_attn_scalar": 24}
_CAPS = {"attn_logit_softcapping": 5.0, "final_logit_softcapping": 8.0}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", _SIZES | {"tie_word_embeddings": True}),
    "llama, biases": ("llama", _SIZES | {"num_key_value_heads": 1, "attention_bias": True}),
    "llama 3 rotary": (
        "llama",
        _SIZES | {"rope_scaling": _LLAMA3 | {"original_max_position_embeddings": 64}},
    ),
    "llama, linear rotary": ("llama", _SIZES | {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "llama, small heads": ("llama", _SIZES | {"head_dim": 8}),
    "qwen2": ("qwen2", _SIZES),
    "qwen3": ("qwen3", _SIZES | {"head_dim": 32}),
    "gemma": ("gemma", _SIZES | {"head_dim": 16}),
    "gemma2": ("gemma2", _GEMMA | _CAPS),
    "gemma2, eager": ("gemma2", _GEMMA | _CAPS),
    "gemma3": ("gemma3_text", _GEMMA | {"num_hidden_layers": 6}),
    "mistral": ("mistral", _SIZES | _WINDOW),
    "phi3": ("phi3", _SIZES | _WINDOW),
    "phi3, partial rotary": ("phi3", _SIZES | {"partial_rotary_factor": 0.5}),
    "stablelm": ("stablelm", _SIZES | {"partial_rotary_factor": 0.5, "use_qkv_bias": True}),
    "olmo": ("olmo", _SIZES | {"clip_qkv": 2.0}),
    "olmo2": ("olmo2", _SIZES),
    "granite": (
        "granite",
        _SIZES
        | {
            "attention_multiplier": 0.1,
            "residual_multiplier": 0.3,
            "embedding_multiplier": 3.0,
            "logits_scaling": 2.0,
        },
    ),
    "glm": ("glm", _SIZES | {"head_dim": 16}),
    "gpt_neox": ("gpt_neox", _NO_GROUPS | {"rotary_pct": 0.25}),
    "falcon": ("falcon", _NO_GROUPS | {"alibi": False}),
    "gpt2": ("gpt2", _OLD),
    "gptj": ("gptj", _OLD | {"rotary_dim": 8}),
    "opt": ("opt", _NO_GROUPS | {"ffn_dim": 48, "word_embed_proj_dim": 64}),
}
"""By name: the architecture and its sizes."""


@cache
def exported(name: str) -> tuple[Any, Any]:
    """Return the unfused graph and the configuration of a random model."""
    architecture, sizes = MODELS[name]
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(architecture, **sizes)
    attention = "eager" if name.endswith("eager") else None
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation=attention
    ).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(_spread(weight))
    folder = Path(mkdtemp())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer has much to say
            run_optimum(model, folder / "model")
        graph = onnx.load(folder / "model" / "model.onnx")
        share_weights(graph)
        return graph, config
    finally:
        shutil.rmtree(folder)


@cache
def fused(name: str) -> Fused:
    """Return the fused graph of a random model."""
    graph, config = exported(name)
    outcome = fuse(graph, config)
    assert isinstance(outcome, Fused), outcome
    return outcome


def read_unfused(graph: Any, ids: Sequence[int]) -> Rows:
    """Return the unfused graph's logits [len(ids), vocabulary], all read at once."""
    session = open_graph(graph)
    feeds = {
        "input_ids": np.array([ids], np.int64),
        "attention_mask": np.ones((1, len(ids)), np.int64),
        "position_ids": np.arange(len(ids), dtype=np.int64)[None],
    }
    names = [value.name for value in session.get_inputs()]
    feeds = {name: value for name, value in feeds.items() if name in names}
    feeds |= _caches(session, 0)
    logits: Rows = session.run(["logits"], feeds)[0][0]
    return logits


def read_fused(graph: Any, ids: Sequence[int], cuts: Sequence[int], pad: bool = False) -> Rows:
    """Return the fused graph's logits, read cut by cut; `pad` feeds a lone token twice."""
    session = open_graph(graph)
    caches, rows, past, turn = _caches(session, POSITIONS), [], 0, 0
    while past < len(ids):
        chunk = list(ids[past : past + cuts[turn % len(cuts)]])
        read = chunk * 2 if pad and len(chunk) == 1 else chunk
        feeds = {
            "input_ids": np.array([read], np.int64),
            "logits_indices": np.arange(len(chunk), dtype=np.int64),
            "seqlens_k": np.array([past + len(read) - 1], np.int32),
            "total_sequence_length": np.array([past + len(read)], np.int32),
        }
        logits, caches = _run(session, feeds, caches)
        rows.append(logits[0])
        past, turn = past + len(chunk), turn + 1
    return np.concatenate(rows)


def read_slots(graph: Any, slots: int, steps: Sequence[Sequence[Sequence[int]]]) -> list[Rows]:
    """Return each slot's logits; a step has the new tokens of every slot, padded to two rows at least."""
    session = open_graph(graph)
    caches, lengths = _caches(session, POSITIONS), [0] * slots
    rows: list[list[Rows]] = [[] for _ in range(slots)]
    for step in steps:
        logits, caches = _run(session, slot_feeds(step, lengths), caches)
        at = 0
        for slot, chunk in enumerate(step):
            rows[slot].append(logits[0, at : at + len(chunk)])
            at += len(chunk)
            lengths[slot] += len(chunk)
    return [np.concatenate(parts) for parts in rows]


def slot_feeds(step: Sequence[Sequence[int]], lengths: Sequence[int]) -> dict[str, Any]:
    """Return the inputs of a pass in which slot i, which holds `lengths[i]` tokens, reads `step[i]`."""
    ids = [token for chunk in step for token in chunk]
    wanted = range(len(ids))
    pad, unpad, row = [], [], 0
    for chunk in step:
        unpad += range(len(pad), len(pad) + len(chunk))
        pad += [*range(row, row + len(chunk)), 0]
        row += len(chunk)
    if len(ids) == 1:  # the matrix products too see two rows at least
        ids, unpad = ids * 2, unpad * 2
    totals = [length + len(chunk) + 1 for length, chunk in zip(lengths, step, strict=True)]
    return {
        "input_ids": np.array([ids], np.int64),
        "logits_indices": np.array(wanted, np.int64),
        "seqlens_k": np.array(totals, np.int32) - 1,
        "total_sequence_length": np.array(totals, np.int32),
        "chunk_lengths": np.array([len(chunk) + 1 for chunk in step], np.int64),
        "pad_indices": np.array(pad, np.int64),
        "unpad_indices": np.array(unpad, np.int64),
    }


def open_graph(graph: Any) -> Any:
    """Return a session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    source = graph if isinstance(graph, Path) else graph.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def scale(rows: Rows) -> float:
    """Return what a difference of logits is measured in: their root mean square."""
    return float(np.sqrt(np.mean(np.square(rows))))


def _run(session: Any, feeds: dict[str, Any], caches: dict[str, Any]) -> tuple[Rows, dict[str, Any]]:
    outputs = [value.name for value in session.get_outputs()]
    values = dict(zip(outputs, session.run(None, feeds | caches), strict=True))
    return values["logits"], {name: values[name.replace("past_key_values", "present", 1)] for name in caches}


def _caches(session: Any, length: int) -> dict[str, Any]:
    return {
        value.name: np.zeros((1, value.shape[1], length, value.shape[3]), np.float32)
        for value in session.get_inputs()
        if value.name.startswith("past_key_values.")
    }


def _spread(weight: Any) -> Any:
    """Return values that make every weight count: matrices wide, vectors off zero and one."""
    if weight.dim() > 1:
        return weight * 6
    return weight.mean().round() + torch.randn_like(weight) * 0.1
