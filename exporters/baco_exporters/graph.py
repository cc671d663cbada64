"""Surgery on an exported graph: equal weights are stored once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_SHARED_FROM = 1024
"""Elements; below, a copy costs less than a look."""


def share_weights(model: ModelProto) -> int:
    """Store equal initialisers once, and one that is another's transpose as a Transpose of it.

    Returns the bytes saved. The usual case is a head tied to the embedding: exporters write the head's
    weight again, transposed. ONNX Runtime folds the Transpose when it loads, so speed stays the same; the
    table that is looked up stays mapped to the file, and only the head's copy is in memory.
    """
    before = _weight_bytes(model.graph)
    _share_equal(model.graph)
    _share_transposed(model.graph)
    return before - _weight_bytes(model.graph)


def _share_equal(graph: GraphProto) -> None:
    first: dict[tuple[object, ...], str] = {}
    renamed = {}
    for tensor in _large(graph):
        digest = hashlib.sha256(_array(tensor).reshape(-1).view(np.uint8).data).digest()
        key = (tensor.data_type, tuple(tensor.dims), digest)
        if first.setdefault(key, tensor.name) != tensor.name:
            renamed[tensor.name] = first[key]
    _rename_inputs(graph, renamed)
    _drop(graph, renamed)


def _share_transposed(graph: GraphProto) -> None:
    import onnx

    for kept, dropped in _transposed_pairs(graph):
        graph.node.insert(
            0, onnx.helper.make_node("Transpose", [kept], [dropped], name=f"{kept}/Transpose", perm=[1, 0])
        )
        _drop(graph, {dropped: kept})


def _transposed_pairs(graph: GraphProto) -> Iterator[tuple[str, str]]:
    """Yield (kept, dropped): the matrix whose rows are looked up is kept, and each is used once."""
    looked_up = {node.input[0] for node in _nodes(graph) if node.op_type == "Gather"}
    by_shape: defaultdict[tuple[int, ...], list[TensorProto]] = defaultdict(list)
    for tensor in _large(graph):
        if len(tensor.dims) == 2:
            by_shape[(tensor.data_type, *tensor.dims)].append(tensor)
    for kept in [tensor for tensor in _large(graph) if tensor.name in looked_up and len(tensor.dims) == 2]:
        for other in by_shape[(kept.data_type, kept.dims[1], kept.dims[0])]:
            if other.name not in looked_up and _is_transpose(_array(kept), _array(other)):
                yield kept.name, other.name


def _is_transpose(table: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return np.array_equal(table[0], other[:, 0]) and np.array_equal(table, other.T)


def _large(graph: GraphProto) -> list[TensorProto]:
    return [tensor for tensor in graph.initializer if np.prod(tensor.dims) >= _SHARED_FROM]


def _array(tensor: TensorProto) -> NDArray[np.generic]:
    import onnx

    array: NDArray[np.generic] = onnx.numpy_helper.to_array(tensor)
    return array


def _weight_bytes(graph: GraphProto) -> int:
    import onnx

    sizes = onnx.helper.tensor_dtype_to_np_dtype
    return sum(int(np.prod(t.dims)) * sizes(t.data_type).itemsize for t in graph.initializer)


def _rename_inputs(graph: GraphProto, renamed: dict[str, str]) -> None:
    for node in _nodes(graph):
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)


def _drop(graph: GraphProto, names: dict[str, str]) -> None:
    for tensor in [tensor for tensor in graph.initializer if tensor.name in names]:
        graph.initializer.remove(tensor)


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Yield every node, also those of subgraphs, which see the same initialisers."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
