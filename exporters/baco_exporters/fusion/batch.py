"""A fused graph for one token of each of any number of sequences, whose caches lie in one buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

from baco_core.errors import ExportError
from baco_exporters.fusion.attention import LENGTHS

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

BATCH = "batch"
_FLAT = "head.flat_shape"


def with_batch(model: ModelProto) -> ModelProto:
    """Return a fused graph whose first axis is free; the matrices are the same tensors.

    `input_ids` becomes [batch, tokens], `seqlens_k` [batch], the cache [batch, heads, capacity, size];
    `logits_indices` count rows over the whole batch, and logits stay [1, rows, vocabulary]. The operator
    reads more than one sequence only one token deep. Raises ExportError when `model` is not fused.
    """
    at = next((at for at, node in enumerate(model.graph.node) if "logits_indices" in node.input), None)
    if at is None:
        raise ExportError("a graph for a batch is made from a fused one; this one is not. Fuse it first.")
    batched = onnx.ModelProto()
    batched.CopyFrom(model)
    _flatten_rows(batched, at)
    for value in [*batched.graph.input, *batched.graph.output]:
        if value.name in ("input_ids", LENGTHS[0]) or value.name.startswith(("past_key_values.", "present.")):
            _free(value)
    return batched


def _flatten_rows(model: ModelProto, at: int) -> None:
    """Let the rows of all sequences lie behind each other before node `at` chooses some for the head."""
    node = model.graph.node[at]
    # 0 takes the width from the input
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, -1, 0], np.int64), _FLAT))
    flat = helper.make_node("Reshape", [node.input[0], _FLAT], ["head.flat"], name="head/Flatten")
    node.input[0] = flat.output[0]
    model.graph.node.insert(at, flat)


def _free(value: ValueInfoProto) -> None:
    axis = value.type.tensor_type.shape.dim[0]
    axis.Clear()
    axis.dim_param = BATCH
