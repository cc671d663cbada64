"""A graph without its matrices: small enough to hand to the runtime's own optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import onnx

from baco_exporters.fusion.outcome import NotFusableError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto

_NOT_WANTED = [
    "MatMulAddFusion",  # a Gemm with reshapes around it; the quantiser wants a MatMul
    "MatmulTransposeFusion",  # com.microsoft's FusedMatMul, which the quantiser does not know
    "MatMulScaleFusion",  # the same
]
"""The runtime's steps that would hide a matrix product from what comes later."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The matrices of a model by name, apart from its graph. They are not copied until they are changed."""

    tensors: dict[str, TensorProto]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a matrix."""
        return tuple(self.tensors[name].dims)

    def array(self, name: str) -> NDArray[np.float32]:
        """Return a matrix as an array, read-only."""
        array: NDArray[np.float32] = onnx.numpy_helper.to_array(self.tensors[name])
        return array

    def add(self, name: str, array: NDArray[np.float32]) -> None:
        """Store a new matrix."""
        self.tensors[name] = onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)


def take_apart(model: ModelProto) -> tuple[ModelProto, Weights]:
    """Return the graph with its float matrices as inputs, and the matrices."""
    graph = model.graph
    matrices = {tensor.name: tensor for tensor in graph.initializer if _is_matrix(tensor)}
    bare = onnx.ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(model.opset_import)
    bare.graph.name = graph.name
    bare.graph.node.extend(graph.node)
    bare.graph.input.extend(value for value in graph.input if value.name not in matrices)
    bare.graph.output.extend(graph.output)
    bare.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name not in matrices)
    for tensor in matrices.values():
        bare.graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    return bare, Weights(matrices)


def put_together(bare: ModelProto, weights: Weights) -> ModelProto:
    """Give the graph the matrices that it reads; those it does not read are left out."""
    read = {name for node in bare.graph.node for name in node.input}
    inputs = [value for value in bare.graph.input if value.name not in weights]
    whole = onnx.ModelProto(ir_version=bare.ir_version)
    whole.opset_import.extend(bare.opset_import)
    whole.graph.name = bare.graph.name
    whole.graph.node.extend(bare.graph.node)
    whole.graph.input.extend(inputs)
    whole.graph.output.extend(bare.graph.output)
    whole.graph.initializer.extend(tensor for tensor in bare.graph.initializer if tensor.name in read)
    whole.graph.initializer.extend(tensor for name, tensor in weights.tensors.items() if name in read)
    return whole


def simplify(bare: ModelProto) -> ModelProto:
    """Return what ONNX Runtime makes of a graph without matrices: constants folded, norms fused, dead
    nodes gone.

    It also fuses Silu (as QuickGelu) and Gelu where it knows their shape. Raises NotFusableError when the
    runtime does not take the graph.
    """
    import onnxruntime

    with TemporaryDirectory() as folder:
        file = Path(folder) / "simple.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(file)
        options.log_severity_level = 3
        settings = {"providers": ["CPUExecutionProvider"], "disabled_optimizers": _NOT_WANTED}
        try:
            onnxruntime.InferenceSession(bare.SerializeToString(), options, **settings)
        except Exception as error:  # the runtime's errors have no common class
            raise NotFusableError(f"the runtime refuses it: {str(error).splitlines()[0]}") from error
        simple: ModelProto = onnx.load(file)
    return _as_imported(simple, bare)


def _as_imported(simple: ModelProto, bare: ModelProto) -> ModelProto:
    """Undo the runtime's own header: it imports every domain that it has, in its newest version."""
    kept = {entry.domain: entry.version for entry in bare.opset_import} | {"com.microsoft": 1}
    del simple.opset_import[:]
    simple.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in kept.items())
    simple.ir_version = bare.ir_version
    return simple


def _is_matrix(tensor: TensorProto) -> bool:
    return tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
