"""Writing graphs, with their weights in one file beside them that a runtime can map into memory."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

_EXTERNAL_FROM = 32 << 20
"""Bytes of weights from which they go into a file of their own, which a runtime can map."""
_EACH_FROM = 1024
"""Bytes; smaller tensors stay in the graph."""
_PAGE = 1 << 16
"""Windows maps files from multiples of 64 KiB, other systems from multiples of a page."""
_PAGED_FROM = 1 << 20
"""Bytes from which a tensor begins at a page."""
_ALIGNED = 64


def save_model(model: ModelProto, path: Path, *, mapped: bool = False) -> None:
    """Write the graph to `path`, and large weights to `path` with `.data` appended.

    With `mapped` they go there however small they are, so that other graphs can refer to them. The model is
    left without the weights that went there. Large ones begin at a page, and equal bytes are stored once:
    onnx.save_model does neither, and ONNX Runtime can map a table for the head and for the embedding.
    """
    import onnx

    path.parent.mkdir(exist_ok=True)
    data = path.with_name(path.name + ".data")
    data.unlink(missing_ok=True)
    if mapped or weight_bytes(model.graph) >= _EXTERNAL_FROM:
        _move_weights(model.graph, data)
    onnx.save_model(model, path)


def load_bare(path: Path) -> ModelProto:
    """Return the graph with references to the weights instead of weights."""
    import onnx

    return onnx.load(path, load_external_data=False)


def weight_bytes(graph: GraphProto) -> int:
    """Return the bytes of the graph's initialisers."""
    return sum(len(_content(tensor)) for tensor in graph.initializer)


def _move_weights(graph: GraphProto, data: Path) -> None:
    places: dict[bytes, tuple[int, int]] = {}
    with data.open("wb") as file:
        for tensor in graph.initializer:
            content = _content(tensor)
            if len(content) < _EACH_FROM:
                continue
            digest = hashlib.sha256(content).digest()
            if digest not in places:
                file.write(bytes(-file.tell() % (_PAGE if len(content) >= _PAGED_FROM else _ALIGNED)))
                places[digest] = file.tell(), file.write(content)
            _refer(tensor, data.name, *places[digest])


def _refer(tensor: TensorProto, name: str, offset: int, length: int) -> None:
    import onnx

    bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    bare.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": name, "offset": str(offset), "length": str(length)}.items():
        bare.external_data.add(key=key, value=value)
    tensor.CopyFrom(bare)


def _content(tensor: TensorProto) -> bytes:
    """Return the tensor's bytes in little-endian order; none for text, which stays in the graph."""
    import onnx

    if tensor.data_type == onnx.TensorProto.STRING:
        return b""
    if not tensor.HasField("raw_data"):
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name))
    return tensor.raw_data
