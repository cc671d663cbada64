"""Half precision where it pays: weights, matrix products and the KV cache.

The rest stays in float32, as automatic mixed precision does it: norms, softmax, rotary angles and the
residual stream, whose values outgrow float16 in some models (its largest number is 65504). Casts mark the
borders. Every architecture goes the same way, since only operators are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baco_core.errors import ExportError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

_READERS = frozenset({"MatMul", "Gemm", "Gather", "Transpose"})
"""Operators that read the large matrices; a tied head is the transpose of the embedding."""
_ATTENTION = "GroupQueryAttention"
"""Reads and writes the cache, so it works in half; the runtime accumulates and rotates as it sees fit."""
_MOVERS = frozenset(
    {
        "Concat",
        "Expand",
        "Gather",
        "Identity",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators that only move numbers: what comes in half goes out half."""
_MATRIX_FROM = 1024
_LARGEST = 65504.0


def to_half(model: ModelProto) -> None:
    """Turn a float32 graph into mixed precision, in place; `logits` stay float32, the KV cache gets float16.

    Raises ExportError when a weight is too large for float16, or the graph has branches or loops.
    """
    graph = model.graph
    floats = _float_values(model)
    work = _Conversion(graph, floats)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        work.add(node)
    work.finish()


class _Conversion:
    """Rewrites node after node, remembering which values exist in which precision."""

    def __init__(self, graph: GraphProto, floats: set[str]) -> None:
        self._graph = graph
        self._floats = floats
        self._weights = {tensor.name: tensor for tensor in graph.initializer if tensor.name in floats}
        self._matrices = {name for name, tensor in self._weights.items() if _is_matrix(tensor)}
        self._half = self._halve_caches()
        self._made: dict[tuple[str, bool], str] = {}

    def add(self, node: NodeProto) -> None:
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise ExportError(f"node {node.name!r} has a branch or a loop; fp16 can't be exported, use fp32.")
        half = self._is_half(node)
        for index, name in enumerate(node.input):
            if name in self._floats:
                node.input[index] = self._in(name, half=half)
        self._graph.node.append(node)
        if half:
            self._half.update(name for name in node.output if name in self._floats)

    def finish(self) -> None:
        """Give every output the precision that is declared for it, and drop weights nobody reads now."""
        outputs = {value.name: value for value in self._graph.output}
        for name in outputs.keys() & self._floats:
            wanted = name != "logits"
            _declare(outputs[name], half=wanted)
            if (name in self._half) != wanted:
                self._rename_output(name, half=wanted)
        used = {name for node in self._graph.node for name in node.input}
        for tensor in [tensor for tensor in self._graph.initializer if tensor.name not in used]:
            self._graph.initializer.remove(tensor)

    def _halve_caches(self) -> set[str]:
        caches = [value for value in self._graph.input if value.name in self._floats]
        for value in caches:
            _declare(value, half=True)
        return {value.name for value in caches}

    def _is_half(self, node: NodeProto) -> bool:
        """Say whether a node works in half: it reads a large matrix, or multiplies or moves halves.

        Products without either are not touched: positions times rotary frequencies need float32.
        """
        if node.op_type == _ATTENTION:
            return True
        if node.op_type not in _READERS | _MOVERS:
            return False
        reads_matrix = node.op_type in _READERS and any(name in self._matrices for name in node.input)
        return reads_matrix or any(name in self._half for name in node.input)

    def _in(self, name: str, *, half: bool) -> str:
        """Return the name of a value in the wanted precision, making it when it is not there."""
        if (name in self._half) == half:
            return name
        if (name, half) not in self._made:
            self._made[name, half] = f"{name}{'_half' if half else '_single'}"
            if half and name in self._weights:
                self._graph.initializer.append(_halved(self._weights[name]))
            else:
                self._graph.node.append(_cast(name, self._made[name, half], half=half))
        return self._made[name, half]

    def _rename_output(self, name: str, *, half: bool) -> None:
        """Cast the output `name`: whoever made or reads it uses another name from now on."""
        inner = f"{name}_inner"
        for node in self._graph.node:
            for names in (node.input, node.output):
                for index, used in enumerate(names):
                    if used == name:
                        names[index] = inner
        self._graph.node.append(_cast(inner, name, half=half))


def _float_values(model: ModelProto) -> set[str]:
    """Return the names of all float32 values; types are inferred on a copy without weights."""
    import onnx

    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    bare.graph.name = "types"
    bare.graph.node.extend(model.graph.node)
    bare.graph.output.extend(model.graph.output)
    bare.graph.input.extend(model.graph.input)
    bare.graph.input.extend(
        onnx.helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
        for weight in model.graph.initializer
    )
    inferred = onnx.shape_inference.infer_shapes(bare).graph
    values = [*inferred.input, *inferred.value_info, *inferred.output]
    known = {value.name: value.type.tensor_type.elem_type for value in values}
    floats = {name for name, kind in known.items() if kind == onnx.TensorProto.FLOAT}
    for node in model.graph.node:  # onnx cannot infer the runtime's own operators, nor what follows them
        if any(name in floats for name in node.input):
            floats.update(name for name in node.output if name and not known.get(name))
    return floats


def _is_matrix(tensor: TensorProto) -> bool:
    return len(tensor.dims) == 2 and int(np.prod(tensor.dims)) >= _MATRIX_FROM


def _halved(tensor: TensorProto) -> TensorProto:
    import onnx

    values = onnx.numpy_helper.to_array(tensor)
    if not np.abs(values).max(initial=0) <= _LARGEST:
        raise ExportError(f"tensor {tensor.name!r} holds values that float16 can't; export in fp32.")
    return onnx.numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_half")


def _cast(source: str, target: str, *, half: bool) -> NodeProto:
    import onnx

    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    return onnx.helper.make_node("Cast", [source], [target], name=f"{target}/Cast", to=kind)


def _declare(value: ValueInfoProto, *, half: bool) -> None:
    import onnx

    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    value.type.tensor_type.elem_type = kind
