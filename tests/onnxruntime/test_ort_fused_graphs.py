"""What fused graphs must declare, and what is said of those that do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baco_core.errors import ModelError
from baco_onnxruntime.fused_graph import is_fused, read_fused_graph
from tests.onnxruntime.test_ort_graphs import Node

INT64, INT32 = "tensor(int64)", "tensor(int32)"
ONE = [
    Node("input_ids", [1, "T"], INT64),
    Node("logits_indices", ["R"], INT64),
    Node("seqlens_k", [1], INT32),
    Node("total_sequence_length", [1], INT32),
]
PADS = [Node("pad_indices", ["P"], INT64), Node("unpad_indices", ["T"], INT64)]
TWO = [
    *ONE[:2],
    *(replace(node, shape=[2]) for node in ONE[2:]),
    Node("chunk_lengths", [2], INT64),
    *PADS,
]
LOGITS = Node("logits", [1, "R", 97])
SHAPE = [1, 3, "capacity", 16]


def cache(prefix: str, *ends: str, shape: list[Any] = SHAPE, kind: str = "tensor(float)") -> list[Node]:
    """Return keys and values of one layer, in the slots with these ends."""
    return [Node(f"{prefix}.0.{part}{end}", shape, kind) for end in ends for part in ("key", "value")]


def past(*ends: str, **what: Any) -> list[Node]:
    return cache("past_key_values", *(ends or ("",)), **what)


def present(*ends: str, **what: Any) -> list[Node]:
    return cache("present", *(ends or ("",)), **what)


def test_slots_and_names_are_read_from_the_graph() -> None:
    graph = read_fused_graph([*TWO, *past(".0", ".1")], [LOGITS, *present(".0", ".1")], Path("model.onnx"))
    assert (graph.slots, graph.padded, graph.head_size, graph.vocab_size) == (2, True, 16, 97)
    assert graph.names(1) == [
        ("past_key_values.0.key.1", "present.0.key.1"),
        ("past_key_values.0.value.1", "present.0.value.1"),
    ]
    assert graph.cache[0].empty_shape == (1, 3, 0, 16)
    single = read_fused_graph([*ONE, *past()], [LOGITS, *present()], Path("model.onnx"))
    assert (single.slots, single.padded, single.logits_dtype) == (1, False, np.dtype(np.float32))
    assert single.names(0)[0] == ("past_key_values.0.key", "present.0.key")
    assert read_fused_graph([*ONE, *PADS, *past()], [LOGITS, *present()], Path("model.onnx")).padded
    assert is_fused(ONE)
    assert not is_fused(ONE[:2])


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([*ONE[:3], *past()], present(), "of 1 slots lacks the input 'total_sequence_length'"),
        ([*TWO[:-1], *past(".0", ".1")], present(".0", ".1"), "of 2 slots lacks the input 'unpad_indices'"),
        ([*ONE, Node("position_ids", [1, "T"], INT64), *past()], present(), "has the input 'position_ids'"),
        ([*ONE[:2], Node("seqlens_k", ["S"], INT32), ONE[3], *past()], present(), "[batch, heads, capacity"),
        ([*ONE[:3], replace(ONE[3], type=INT64), *past()], present(), "of int64 [1] must be int32"),
        (ONE, [], "has no KV-cache inputs"),
        ([*ONE, *past()], [], "has no 'present.0.key'"),
        ([*TWO, *past(".0")], present(".0"), "has no 'past_key_values.0.key.1'"),
        ([*ONE, *past(shape=[1, 3, 64, 16])], present(), "with the capacity free"),
        ([*ONE, *past(shape=["batch", 3, "capacity", 16])], present(), "[1, heads, capacity, head size]"),
        ([*ONE, *past()], present(kind="tensor(float16)"), "is not like its fellows"),
        ([*ONE, *past(kind=INT64)], present(kind=INT64), "float32 and float16 are supported"),
    ],
)
def test_a_graph_that_cannot_be_served_is_named(
    inputs: list[Node], outputs: list[Node], message: str
) -> None:
    with pytest.raises(ModelError) as raised:
        read_fused_graph(inputs, [LOGITS, *outputs], Path("a/model.onnx"))
    assert str(raised.value).startswith("a/model.onnx: ")
    assert message in str(raised.value)
