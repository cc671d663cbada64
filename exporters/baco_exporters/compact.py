"""Small files: weights are stored as int8 or float16 and become float32 again when the graph is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from baco_core.errors import ExportError
from baco_exporters.graph import share_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

_ROW_READERS = frozenset({"Gather", "Transpose"})
_CODES = "_codes"
_SCALES = "_scales"


def compact_weights(model: ModelProto, *, bits: Literal[8, 16] = 8, min_size: int = 1024) -> ModelProto:
    """Return a copy of `model` whose float32 matrices of `min_size` elements or more take `bits` bits.

    With 8 bits a matrix becomes int8 codes and one float32 scale for each output channel, `w ≈ code · scale`,
    off by half a scale at most; with 16 it becomes float16. Cast and Mul nodes turn it back into float32.
    They hang on constants alone, so ONNX Runtime folds them once at load and computes in float32 as before
    (it would keep a DequantizeLinear). Equal and transposed weights are stored once. Biases, norms and the
    rotary tables of fused attention stay.

    Raises ExportError for other `bits`, or when a weight is not finite.
    """
    import onnx

    if bits not in (8, 16):
        raise ExportError(f"weights can be stored in 8 or 16 bits, not {bits}; pass bits=8 or bits=16.")
    small = onnx.ModelProto()
    small.CopyFrom(model)
    share_weights(small)
    row_wise, tables = _read_by_rows(small), _read_by_attention(small)
    large = [tensor for tensor in small.graph.initializer if _is_large_matrix(tensor, min_size)]
    for weight in [tensor for tensor in large if tensor.name not in tables]:
        axis = 0 if weight.name in row_wise else 1
        stored, restore = _as_half(weight) if bits == 16 else _as_codes(weight, axis)
        small.graph.initializer.remove(weight)
        small.graph.initializer.extend(stored)
        for node in reversed(restore):
            small.graph.node.insert(0, node)
    return small


def quantize_channels(weight: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 codes and float32 scales (broadcastable) with one scale for each index of `axis`.

    `weight` is [rows, columns]; `codes * scales` differs from it by at most half a scale.
    """
    largest = np.abs(weight).max(axis=1 - axis, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.rint(weight / scales).astype(np.int8), scales


def _as_codes(weight: TensorProto, axis: int) -> tuple[list[TensorProto], list[NodeProto]]:
    import onnx

    codes, scales = quantize_channels(_finite(weight), axis)
    name, loose = weight.name, f"{weight.name}_unscaled"
    stored = [
        onnx.numpy_helper.from_array(codes, name + _CODES),
        onnx.numpy_helper.from_array(scales, name + _SCALES),
    ]
    restore = [
        onnx.helper.make_node(
            "Cast", [name + _CODES], [loose], name=f"{name}/Cast", to=onnx.TensorProto.FLOAT
        ),
        onnx.helper.make_node("Mul", [loose, name + _SCALES], [name], name=f"{name}/Mul"),
    ]
    return stored, restore


def _as_half(weight: TensorProto) -> tuple[list[TensorProto], list[NodeProto]]:
    import onnx

    name = weight.name
    half = onnx.numpy_helper.from_array(_finite(weight).astype(np.float16), f"{name}_half")
    cast = onnx.helper.make_node("Cast", [half.name], [name], name=f"{name}/Cast", to=onnx.TensorProto.FLOAT)
    return [half], [cast]


def _finite(weight: TensorProto) -> NDArray[np.float32]:
    import onnx

    values: NDArray[np.float32] = onnx.numpy_helper.to_array(weight)
    if not np.isfinite(values).all():
        raise ExportError(f"tensor {weight.name!r} holds values that are not finite; it can't be compacted.")
    return values


def _is_large_matrix(tensor: TensorProto, min_size: int) -> bool:
    import onnx

    is_float_matrix = tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    return is_float_matrix and int(np.prod(tensor.dims)) >= min_size


def _read_by_attention(model: ModelProto) -> set[str]:
    """What fused attention reads: its tables of cosines and sines are matrices, but no weights."""
    nodes = (node for node in model.graph.node if node.op_type == "GroupQueryAttention")
    return {name for node in nodes for name in node.input}


def _read_by_rows(model: ModelProto) -> set[str]:
    """Matrices whose output channels are rows: embeddings, also when tied, and Gemm's transposed B."""
    rows = set()
    for node in model.graph.node:
        transposed = node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute)
        if node.op_type in _ROW_READERS:
            rows.add(node.input[0])
        elif transposed:
            rows.add(node.input[1])
    return rows
