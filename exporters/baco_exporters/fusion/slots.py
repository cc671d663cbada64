"""A fused graph for several sequences: each has its slot of the cache, all share the matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto, helper

from baco_core.errors import ExportError
from baco_exporters.fusion.attention import DOMAIN, LENGTHS

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

CHUNKS, PAD, UNPAD = "chunk_lengths", "pad_indices", "unpad_indices"
"""Inputs that say how the rows of a pass belong to slots."""

_CACHES = slice(3, 5)
"""The operator's inputs for past key and value."""


def with_slots(model: ModelProto, slots: int) -> ModelProto:
    """Return a fused graph that reads `slots` sequences in one pass; the matrices are the same tensors.

    Only attention nodes, inputs and outputs change, so a quantised graph will do, and one whose weights are
    external data keeps pointing at them. Raises ExportError when `model` is not a fused graph of one slot.
    """
    _check(model, slots)
    many = onnx.ModelProto()
    many.CopyFrom(model)
    if slots == 1:
        return many
    graph = many.graph
    nodes = [_split(name, _each(name, slots)) for name in LENGTHS]
    for node in graph.node:
        nodes += _for_each(node, slots) if _is_attention(node) else [node]
    _replace(graph.node, nodes)
    _replace(graph.input, _inputs(list(graph.input), slots))
    _replace(graph.output, _caches_of_each(list(graph.output), slots))
    return many


def _check(model: ModelProto, slots: int) -> None:
    if slots < 1:
        raise ExportError(f"a graph has at least one slot, not {slots}.")
    lengths = [value for value in model.graph.input if value.name == LENGTHS[0]]
    if not lengths or lengths[0].type.tensor_type.shape.dim[0].dim_value != 1:
        raise ExportError("slots are made from a fused graph with one slot; this one is not. Fuse it first.")


def _for_each(node: NodeProto, slots: int) -> list[NodeProto]:
    """Return a layer's attention, slot after slot.

    Rows are gathered with one row of padding for each slot: the operator's kernels for one row and for many
    round differently, and a slot without new tokens takes part with its padding alone.
    """
    made: list[NodeProto] = []
    inputs = [_each(name, slots) if name else [""] * slots for name in node.input[:3]]
    for name, parts in zip(node.input[:3], inputs, strict=True):
        made += _cut(name, parts) if name else []
    results = _each(node.output[0], slots)
    for slot in range(slots):
        one = onnx.NodeProto()
        one.CopyFrom(node)
        one.name = f"{node.name}.{slot}"
        one.input[:3] = [parts[slot] for parts in inputs]
        one.input[_CACHES] = [f"{name}.{slot}" for name in node.input[_CACHES]]
        one.input[5:7] = [f"{name}.{slot}" for name in LENGTHS]
        one.output[:] = [results[slot], *(f"{name}.{slot}" for name in node.output[1:])]
        made.append(one)
    return made + _join(results, node.output[0])


def _cut(name: str, parts: list[str]) -> list[NodeProto]:
    """Give each slot its rows, and one of padding."""
    padded = f"{name}/padded"
    gather = helper.make_node("Gather", [name, PAD], [padded], name=f"{name}/Pad", axis=1)
    return [gather, helper.make_node("Split", [padded, CHUNKS], parts, name=f"{name}/Slots", axis=1)]


def _join(parts: list[str], result: str) -> list[NodeProto]:
    """Put the slots' rows behind each other again, without the padding."""
    padded = f"{result}/padded"
    concat = helper.make_node("Concat", parts, [padded], name=f"{result}/Join", axis=1)
    return [concat, helper.make_node("Gather", [padded, UNPAD], [result], name=f"{result}/Unpad", axis=1)]


def _split(name: str, parts: list[str]) -> NodeProto:
    return helper.make_node("Split", [name], parts, name=f"{name}/Slots", axis=0, num_outputs=len(parts))


def _inputs(values: list[ValueInfoProto], slots: int) -> list[ValueInfoProto]:
    make = helper.make_tensor_value_info
    changed = {name: make(name, TensorProto.INT32, [slots]) for name in LENGTHS}
    rows = [
        make(CHUNKS, TensorProto.INT64, [slots]),
        make(PAD, TensorProto.INT64, ["padded"]),
        make(UNPAD, TensorProto.INT64, ["tokens"]),
    ]
    kept = [changed.get(value.name, value) for value in values]
    first_cache = next(index for index, value in enumerate(kept) if _is_cache(value))
    return _caches_of_each([*kept[:first_cache], *rows, *kept[first_cache:]], slots)


def _caches_of_each(values: list[ValueInfoProto], slots: int) -> list[ValueInfoProto]:
    """Return the values with every cache tensor once for each slot, slot after slot."""
    caches = [value for value in values if _is_cache(value)]
    return [
        *(value for value in values if not _is_cache(value)),
        *(_named(value, f"{value.name}.{slot}") for slot in range(slots) for value in caches),
    ]


def _named(value: ValueInfoProto, name: str) -> ValueInfoProto:
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    copy.name = name
    return copy


def _is_cache(value: ValueInfoProto) -> bool:
    return value.name.startswith(("past_key_values.", "present."))


def _is_attention(node: NodeProto) -> bool:
    return node.op_type == "GroupQueryAttention" and node.domain == DOMAIN


def _each(name: str, slots: int) -> list[str]:
    return [f"{name}.{slot}" for slot in range(slots)]


def _replace(field: Any, values: Sequence[Any]) -> None:
    """Put `values` in the place of what a repeated field holds."""
    del field[:]
    field.extend(values)
