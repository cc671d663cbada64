"""Random small models of several architectures, exported through Optimum: the same promises."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baco_core.bundle import ModelFiles
from baco_core.testing.models import check_model
from baco_onnxruntime.backend import OnnxRuntimeBackend

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("optimum") is None or importlib.util.find_spec("torch") is None,
        reason="needs the extra 'export': Optimum and torch",
    ),
    # What the exporter and torch warn of is theirs.
    pytest.mark.filterwarnings("ignore"),
]

VOCAB_SIZE = 256
CONTEXT = 128
LENGTH = 100
TOKENS = [int(token) for token in np.random.default_rng(3).integers(3, VOCAB_SIZE, LENGTH)]
SHAPE = {
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": CONTEXT,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GROUPED = {**SHAPE, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": GROUPED,
    "Qwen3ForCausalLM": {**GROUPED, "head_dim": 16},
    "Gemma3ForCausalLM": {
        **GROUPED,
        "head_dim": 272,  # wide heads, as Gemma's are: kernels round anew at 32 and 64 tokens
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "GPTNeoXForCausalLM": SHAPE,
    "GPT2LMHeadModel": {
        "vocab_size": VOCAB_SIZE,
        "n_positions": CONTEXT,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
    },
}
CONFIGS = {"Gemma3ForCausalLM": "Gemma3TextConfig", "GPT2LMHeadModel": "GPT2Config"}


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """A random model and its export, made once for the module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield Exported(request.param, tmp_path_factory.mktemp(request.param))


class Exported:
    """A model with random weights, in torch and as ONNX."""

    def __init__(self, architecture: str, folder: Path) -> None:
        import torch
        import transformers
        from optimum.exporters.onnx import onnx_export_from_model

        torch.manual_seed(0)
        config = getattr(
            transformers, CONFIGS.get(architecture, architecture.replace("ForCausalLM", "Config"))
        )
        self.torch_model = getattr(transformers, architecture)(config(**ARCHITECTURES[architecture])).eval()
        onnx_export_from_model(
            self.torch_model,
            folder,
            task="text-generation-with-past",
            do_validation=False,
            no_post_process=True,
        )
        self.files = ModelFiles(folder / "model.onnx", VOCAB_SIZE, CONTEXT)

    def torch_rows(self, tokens: list[int]) -> np.ndarray:
        import torch

        with torch.no_grad():
            rows: np.ndarray = self.torch_model(torch.tensor([tokens])).logits[0].numpy()
            return rows


def test_rows_equal_those_of_torch(exported: Exported) -> None:
    rows = OnnxRuntimeBackend().load(exported.files).open().extend(TOKENS, len(TOKENS))
    np.testing.assert_allclose(rows, exported.torch_rows(TOKENS), atol=2e-5)


def test_exact_exports_keep_the_contract_to_the_bit(exported: Exported) -> None:
    check_model(OnnxRuntimeBackend(prefill_chunk=5).load(exported.files), tolerance=0)


def test_rows_do_not_depend_on_how_reading_was_cut(exported: Exported) -> None:
    """Guards the promise of token-equal schedules: chunks of every size, and single tokens, to the bit."""
    whole = OnnxRuntimeBackend().load(exported.files).open().extend(TOKENS, len(TOKENS))
    for threads in (1, 2):
        model = OnnxRuntimeBackend(intra_op_threads=threads).load(exported.files)
        for sizes in _cuts():
            sequence, start, rows = model.open(), 0, []
            for size in sizes:
                piece = TOKENS[start : start + size]
                rows.append(sequence.extend(piece, len(piece)))
                start += size
            assert np.array_equal(np.concatenate(rows), whole), f"{threads} threads, pieces of {sizes}"


def _cuts() -> list[list[int]]:
    rng = np.random.default_rng(5)
    cuts = [[1] * LENGTH, [2] * (LENGTH // 2), [99, 1], [1, 99], [7] * 14 + [2], [31, 33, 36], [63, 1, 36]]
    for _ in range(6):
        ends = np.sort(rng.choice(np.arange(1, LENGTH), size=30, replace=False))
        cuts.append(np.diff([0, *ends, LENGTH]).tolist())
    return cuts


def test_without_exact_single_tokens_differ_by_rounding_alone(exported: Exported) -> None:
    model = OnnxRuntimeBackend(exact=False).load(exported.files)
    whole = model.open().extend(TOKENS, len(TOKENS))
    sequence = model.open()
    singles = np.concatenate([sequence.extend([token]) for token in TOKENS])
    assert np.abs(singles - whole).max() <= 1e-5 * np.abs(whole).max()
