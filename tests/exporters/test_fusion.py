"""Fused graphs say what unfused ones say, or stay unfused with a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baco_exporters.fusion import with_slots
from baco_exporters.fusion.architecture import Architecture
from baco_exporters.fusion.outcome import Fused, Unfused
from tests.exporters.fusion_runs import (
    MODELS,
    POSITIONS,
    VOCABULARY,
    exported,
    fuse,
    fused,
    onnx,
    read_fused,
    read_unfused,
    scale,
)

REFUSED = {
    "gemma2": "caps attention scores at 5, the exported graph does not",
    "gpt2": "is a Gemm",
    "gptj": "not what GroupQueryAttention computes",
    "llama, small heads": "the head size 8 is not a multiple of 16",
    "opt": "position_ids is read outside attention",
}
IDS = [(7919 * (index + 1)) % VOCABULARY for index in range(40)]
CUTS = {"at once": [40], "in chunks": [3, 1, 8, 5], "one by one": [1]}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - REFUSED.keys()))
def test_a_fused_graph_equals_the_unfused_one_however_it_is_read(name: str) -> None:
    expected = read_unfused(exported(name)[0], IDS)
    assert scale(expected) > 0.05
    for how, cuts in CUTS.items():
        difference = np.abs(read_fused(fused(name).model, IDS, cuts) - expected).max()
        assert difference < 1e-4 * scale(expected), how


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_operator_cannot_do_stays_unfused_with_the_reason(name: str) -> None:
    outcome = fuse(*exported(name))
    assert isinstance(outcome, Unfused)
    assert REFUSED[name] in outcome.reason
    assert "\n" not in outcome.reason


@pytest.mark.parametrize("name", ["llama", "gemma3", "phi3, partial rotary"])
def test_rows_do_not_depend_on_how_they_are_read_with_two_or_more_at_a_time(name: str) -> None:
    at_once = read_fused(fused(name).model, IDS, [40])
    for cuts in ([2], [3, 1, 8, 5], [1]):
        np.testing.assert_array_equal(read_fused(fused(name).model, IDS, cuts, pad=True), at_once)


def test_a_fused_graph_has_the_inputs_and_outputs_that_are_promised() -> None:
    graph = fused("llama").model.graph
    inputs = {value.name: _shape(value) for value in graph.input}
    cache = [1, 2, "capacity", 16]
    assert inputs == {
        "input_ids": [1, "tokens"],
        "logits_indices": ["rows"],
        "seqlens_k": [1],
        "total_sequence_length": [1],
        "past_key_values.0.key": cache,
        "past_key_values.0.value": cache,
        "past_key_values.1.key": cache,
        "past_key_values.1.value": cache,
    }
    assert _shape(graph.output[0]) == [1, "rows", VOCABULARY]
    assert [value.name for value in graph.output[1:]] == [
        "present.0.key",
        "present.0.value",
        "present.1.key",
        "present.1.value",
    ]


def test_operators_are_counted_before_and_after() -> None:
    outcome = fused("llama")
    assert sum(outcome.before.values()) > 600
    assert outcome.after == {
        "MatMul": 9,
        "SkipSimplifiedLayerNormalization": 4,
        "Gather": 2,
        "Split": 2,
        "GroupQueryAttention": 2,
        "QuickGelu": 2,
        "Mul": 2,
        "SimplifiedLayerNormalization": 1,
        "Transpose": 1,
    }


def test_the_operator_states_only_what_older_runtimes_know_too() -> None:
    found = {
        attribute.name
        for name in ("llama", "gemma2, eager", "glm")
        for node in fused(name).model.graph.node
        if node.op_type == "GroupQueryAttention"
        for attribute in node.attribute
    }
    figures = {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size"}
    assert found == figures | {"do_rotary", "rotary_interleaved"}


def test_a_tied_head_is_stored_once() -> None:
    names = [tensor.name for tensor in fused("llama").model.graph.initializer]
    sizes = {tensor.name: tuple(tensor.dims) for tensor in fused("llama").model.graph.initializer}
    assert [sizes[name] for name in names].count((VOCABULARY, 64)) == 1
    assert (64, VOCABULARY) not in sizes.values()


def test_layers_share_rotary_tables_which_have_room_for_padding() -> None:
    tables = {t.name: list(t.dims) for t in fused("gemma3").model.graph.initializer if "rotary" in t.name}
    shape = [POSITIONS + 16, 8]
    assert tables == {f"rotary.{n}.{part}": shape for n in (0, 1) for part in ("cosines", "sines")}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mistral", {"windows": (9, 0)}),
        ("mistral", {"windows": (0,)}),
        ("gemma3", {"windows": (7,)}),
        ("gemma3", {"scales": (0.25,)}),
        ("gemma2, eager", {"softcaps": (6.0,)}),
        ("granite", {"scales": ()}),
        ("llama", {"scales": (0.2501,)}),
    ],
)
def test_a_graph_that_its_configuration_does_not_describe_stays_unfused(
    name: str, change: dict[str, tuple[float, ...]]
) -> None:
    graph, config = exported(name)
    outcome = fuse(graph, replace(Architecture.of(config), **change))
    assert isinstance(outcome, Unfused)
    assert "not what GroupQueryAttention computes" in outcome.reason


def test_a_mask_that_cuts_far_back_is_noticed() -> None:
    graph = onnx.ModelProto()
    graph.CopyFrom(exported("mistral")[0])
    windows = [
        node.attribute[0].t
        for node in graph.graph.node
        if node.op_type == "Constant" and _integers(node.attribute[0].t) == [8]
    ]
    for tensor in windows:
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(200, np.int64)))
    assert windows
    assert isinstance(fuse(graph, Architecture("mistral", POSITIONS, windows=(0,))), Unfused)
    assert isinstance(fuse(graph, Architecture("mistral", POSITIONS, windows=(200, 0))), Fused)


def test_attention_that_also_reads_the_hidden_state_is_noticed() -> None:
    graph = onnx.ModelProto()
    graph.CopyFrom(exported("llama")[0])
    product = next(
        node for node in graph.graph.node if node.name.endswith("layers.0/self_attn/o_proj/MatMul")
    )
    at = list(graph.graph.node).index(product)
    hidden = next(
        node.output[0] for node in graph.graph.node if node.op_type == "Gather" and "embed" in node.name
    )
    added = onnx.helper.make_node("Add", [product.input[0], hidden], ["more"], name="more")
    product.input[0] = "more"
    graph.graph.node.insert(at, added)
    assert isinstance(fuse(graph, exported("llama")[1]), Unfused)


def test_a_graph_without_a_cache_in_float32_or_a_context_limit_stays_unfused() -> None:
    graph, config = exported("llama")
    assert "states no context limit" in _reason(fuse(graph, {"model_type": "llama"}))
    half = onnx.ModelProto()
    half.CopyFrom(graph)
    for value in half.graph.input:
        if value.name.startswith("past_key_values."):
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    assert "not float32" in _reason(fuse(half, config))
    renamed = onnx.ModelProto()
    renamed.CopyFrom(graph)
    renamed.graph.output[1].name = "present.first.key"
    assert "not a key and a value for each layer" in _reason(fuse(renamed, config))
    del half.graph.input[1:]
    assert "no KV cache" in _reason(fuse(half, config))


def test_fusing_leaves_the_graph_that_it_is_given_as_it_was() -> None:
    graph, config = exported("qwen2")
    before = graph.SerializeToString(deterministic=True)
    fuse(graph, config)
    assert graph.SerializeToString(deterministic=True) == before


def test_one_slot_is_the_graph_itself() -> None:
    assert with_slots(fused("llama").model, 1) == fused("llama").model


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _integers(tensor: onnx.TensorProto) -> list[int]:
    if tensor.data_type != onnx.TensorProto.INT64:
        return []
    return onnx.numpy_helper.to_array(tensor).reshape(-1).tolist()


def _reason(outcome: Fused | Unfused) -> str:
    assert isinstance(outcome, Unfused)
    return outcome.reason
