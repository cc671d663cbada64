"""A graph with slots reads several sequences in one pass, each as if it were alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baco_core.errors import ExportError
from baco_exporters.fusion import with_slots
from tests.exporters.fusion_runs import (
    VOCABULARY,
    exported,
    fused,
    onnx,
    open_graph,
    read_fused,
    read_slots,
    slot_feeds,
)

ONE = [(7919 * (index + 1)) % VOCABULARY for index in range(24)]
OTHER = [(104729 * (index + 3)) % VOCABULARY for index in range(24)]
STEPS = [(3, 1), (1, 1), (1, 0), (0, 4), (0, 1), (2, 3), (5, 2), (8, 9)]
"""New tokens of the two sequences, pass by pass; 0 is a slot that rests."""


@pytest.mark.parametrize("name", ["llama", "gemma3", "qwen3", "phi3"])
@pytest.mark.parametrize("slots", [2, 4])
def test_every_slot_says_to_the_bit_what_a_lone_sequence_says(name: str, slots: int) -> None:
    model = fused(name).model
    rows = read_slots(with_slots(model, slots), slots, _steps(STEPS, slots))
    for slot, ids in ((0, ONE), (slots - 1, OTHER)):
        np.testing.assert_array_equal(rows[slot], read_fused(model, ids[: len(rows[slot])], [24]))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(*[st.integers(0, 5)] * 2).filter(any), min_size=1, max_size=4))
def test_it_does_not_matter_in_what_company_tokens_are_read(cuts: list[tuple[int, int]]) -> None:
    model = fused("gemma3").model
    rows = read_slots(_slotted("gemma3", 3), 3, _steps(cuts, 3))
    for slot, ids in ((0, ONE), (2, OTHER)):
        if count := len(rows[slot]):
            alone = read_fused(model, ids[:count], [count], pad=True)
            np.testing.assert_array_equal(rows[slot], alone)


def test_a_quantised_graph_gets_slots_as_well() -> None:
    model = _in_four_bits(fused("llama").model)
    many = with_slots(model, 2)
    assert sum(node.op_type == "MatMulNBits" for node in many.graph.node) == 8
    rows = read_slots(many, 2, _steps(STEPS, 2))
    np.testing.assert_array_equal(rows[0], read_fused(model, ONE[: len(rows[0])], [24]))
    np.testing.assert_array_equal(rows[1], read_fused(model, OTHER[: len(rows[1])], [24]))


def test_graphs_with_and_without_slots_share_one_file_of_weights(tmp_path: Path) -> None:
    single, many = tmp_path / "model.onnx", tmp_path / "model.slots2.onnx"
    onnx.save_model(
        fused("llama").model, single, save_as_external_data=True, location="weights", size_threshold=1024
    )
    onnx.save_model(with_slots(onnx.load(single, load_external_data=False), 2), many)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "model.slots2.onnx", "weights"]
    feeds = slot_feeds([ONE[:3], OTHER[:2]], [0, 0])
    session = open_graph(many)
    caches = {
        value.name: np.zeros((1, 2, 16, 16), np.float32)
        for value in session.get_inputs()
        if value.name.startswith("past_key_values.")
    }
    logits = session.run(["logits"], feeds | caches)[0]
    assert logits.shape == (1, 5, VOCABULARY)
    np.testing.assert_array_equal(logits[0, :3], read_fused(single, ONE[:3], [3]))


def test_the_inputs_of_a_graph_with_slots_are_those_that_are_promised() -> None:
    names = [value.name for value in _slotted("llama", 2).graph.input]
    assert names[:7] == [
        "input_ids",
        "logits_indices",
        "seqlens_k",
        "total_sequence_length",
        "chunk_lengths",
        "pad_indices",
        "unpad_indices",
    ]
    caches = [f"past_key_values.{layer}.{part}" for layer in (0, 1) for part in ("key", "value")]
    assert names[7:] == [f"{cache}.{slot}" for slot in (0, 1) for cache in caches]


def test_matrices_are_not_multiplied_with_the_slots() -> None:
    one, many = fused("llama").model.graph, _slotted("llama", 3).graph
    assert list(many.initializer) == list(one.initializer)
    others = {"GroupQueryAttention", "Gather", "Split", "Concat"}
    assert [node for node in many.node if node.op_type not in others] == [
        node for node in one.node if node.op_type not in others
    ]


def test_an_unfused_graph_and_one_with_slots_are_refused() -> None:
    for graph in (exported("llama")[0], _slotted("llama", 2)):
        with pytest.raises(ExportError, match="Fuse it first"):
            with_slots(graph, 2)
    with pytest.raises(ExportError, match="at least one slot, not 0"):
        with_slots(fused("llama").model, 0)


def _slotted(name: str, slots: int) -> Any:
    return with_slots(fused(name).model, slots)


def _steps(cuts: list[tuple[int, int]], slots: int) -> list[list[list[int]]]:
    """Return the tokens of every slot, pass by pass: the first and the last slot read, the others rest."""
    steps, ones, others = [], 0, 0
    for one, other in cuts:
        rest: list[list[int]] = [[] for _ in range(slots - 2)]
        steps.append([ONE[ones : ones + one], *rest, OTHER[others : others + other]])
        ones, others = ones + one, others + other
    return steps


def _in_four_bits(model: Any) -> Any:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    quantizer = MatMulNBitsQuantizer(copy, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    return quantizer.model.model
