"""The new graph: attention replaced, inputs and outputs as the contract says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper

from baco_exporters.fusion.attention import LENGTHS
from baco_exporters.fusion.experiment import rotary_constants
from baco_exporters.fusion.layer import Layer
from baco_exporters.fusion.outcome import NotFusableError
from baco_exporters.fusion.skeleton import Weights
from baco_exporters.fusion.view import View

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, ValueInfoProto

ROWS = "logits_indices"
"""Input with the rows that go through the head."""

_ROW_WISE = frozenset({"Add", "Cast", "Div", "Identity", "Mul", "Tanh"})
"""What may follow the head: a scale, or a soft cap."""


def rewrite(view: View, layers: Sequence[Layer]) -> ModelProto:
    """Return the graph, without matrices, with every layer's attention replaced.

    New matrices are added to the view's weights. Raises NotFusableError when something besides attention
    reads positions or masks, or the head is not found.
    """
    graph = onnx.GraphProto(name=view.model.graph.name)
    graph.initializer.extend(view.model.graph.initializer)
    graph.node.extend(_with_head_rows(view, _with_attention(view, layers, graph)))
    graph.output.extend(_outputs(view, layers))
    _prune(graph, view.weights)
    graph.input.extend(_inputs(layers))
    _check_inputs(graph, view)
    graph.input.extend(_matrix_inputs(graph, view.weights))
    model: ModelProto = helper.make_model(
        graph, opset_imports=view.model.opset_import, ir_version=view.model.ir_version
    )
    return model


def _with_attention(view: View, layers: Sequence[Layer], graph: onnx.GraphProto) -> list[NodeProto]:
    """Return the nodes with each attention in the place where its result was made."""
    new: dict[int, list[NodeProto]] = {}
    gone: set[int] = set()
    tables: dict[str, tuple[str, str]] = {}
    for layer in layers:
        names = _table_names(layer, tables, view.weights)
        graph.initializer.extend(layer.constants(view))
        anchors = layer.anchors
        new[id(view.maker[anchors.result])] = layer.nodes(view.weights, names)
        gone |= {id(view.maker[name]) for name in anchors.present}
    nodes = []
    for node in view.model.graph.node:
        nodes += new.get(id(node), [] if id(node) in gone else [node])
    return nodes


def _table_names(layer: Layer, known: dict[str, tuple[str, str]], weights: Weights) -> tuple[str, str]:
    """Return the names of a layer's rotary tables; the first layer that wants them stores them."""
    if layer.rotary is None:
        return "", ""
    if layer.rotary.key not in known:
        names = f"rotary.{len(known)}.cosines", f"rotary.{len(known)}.sines"
        for table in rotary_constants(layer.rotary, layer.attention.head_size, names):
            weights.tensors[table.name] = table
        known[layer.rotary.key] = names
    return known[layer.rotary.key]


def _with_head_rows(view: View, nodes: list[NodeProto]) -> list[NodeProto]:
    """Return the nodes with a Gather of the wanted rows before the head."""
    head = _head(view)
    rows = helper.make_node("Gather", [head.input[0], ROWS], ["head.rows"], name="head/Gather", axis=1)
    narrow = onnx.NodeProto()
    narrow.CopyFrom(head)
    narrow.input[0] = rows.output[0]
    at = next(index for index, node in enumerate(nodes) if node is head)
    return [*nodes[:at], rows, narrow, *nodes[at + 1 :]]


def _head(view: View) -> NodeProto:
    """Return the product that makes the logits, but for a scale and a soft cap."""
    name = "logits"
    while True:
        node = view.maker[name]
        if view.is_product(node):
            return node
        open_inputs = [other for other in node.input if other not in view.constants]
        if node.op_type not in _ROW_WISE or len(open_inputs) != 1:
            raise NotFusableError(f"{node.name}: a {node.op_type} between head and logits is not known")
        name = open_inputs[0]


def _prune(graph: onnx.GraphProto, weights: Weights) -> None:
    """Remove what no output is made of."""
    outputs = [value.name for value in graph.output]
    view = View(helper.make_model(graph), weights)
    needed = view.before(outputs, lambda _: False)
    nodes = [node for node in view.model.graph.node if any(name in needed for name in node.output)]
    constants = [tensor for tensor in view.model.graph.initializer if tensor.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants)


def _inputs(layers: Sequence[Layer]) -> list[ValueInfoProto]:
    make = helper.make_tensor_value_info
    return [
        make("input_ids", TensorProto.INT64, [1, "tokens"]),
        make(ROWS, TensorProto.INT64, ["rows"]),
        *(make(name, TensorProto.INT32, [1]) for name in LENGTHS),
        *(_cache(name, layer) for layer in layers for name in layer.anchors.past),
    ]


def _outputs(view: View, layers: Sequence[Layer]) -> list[ValueInfoProto]:
    logits = next(value for value in view.model.graph.output if value.name == "logits")
    vocabulary = logits.type.tensor_type.shape.dim[2].dim_value
    return [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, "rows", vocabulary]),
        *(_cache(name, layer) for layer in layers for name in layer.anchors.present),
    ]


def _cache(name: str, layer: Layer) -> ValueInfoProto:
    shape: list[str | int | None] = [1, layer.anchors.kv_heads, "capacity", layer.anchors.head_size]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _check_inputs(graph: onnx.GraphProto, view: View) -> None:
    known = {value.name for value in graph.input}
    for node in graph.node:
        for name in node.input:
            if name in view.inputs and name not in known:
                raise NotFusableError(f"{node.name}: {name} is read outside attention")


def _matrix_inputs(graph: onnx.GraphProto, weights: Weights) -> list[ValueInfoProto]:
    read = {name for node in graph.node for name in node.input}
    return [
        helper.make_tensor_value_info(name, tensor.data_type, tensor.dims)
        for name, tensor in weights.tensors.items()
        if name in read
    ]
