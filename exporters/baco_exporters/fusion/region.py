"""The part of a graph that an attention operator would replace, cut out so that it can be run alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto

from baco_exporters.fusion.anchors import Anchors
from baco_exporters.fusion.outcome import NotFusableError
from baco_exporters.fusion.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto

Feeds = dict[str, "NDArray[Any]"]


@dataclass(frozen=True)
class Region:
    """What lies between a layer's projections and cache inputs and its result and cache outputs.

    The hidden states whose shape is asked for are inputs of the region too.
    """

    view: View
    anchors: Anchors

    @cached_property
    def names(self) -> list[str]:
        """Every tensor of the region, its inputs included."""
        return list(self._before([self.anchors.result, *self.anchors.present]))

    @cached_property
    def nodes(self) -> list[NodeProto]:
        """The operators of the region, in the graph's order."""
        return self._nodes_of(self.names)

    @cached_property
    def hidden(self) -> list[str]:
        """The hidden states that it asks for their shape."""
        return [name for name in self.names if self._is_border(name) and name not in self._borders]

    @property
    def hidden_size(self) -> int:
        """Width of a hidden state."""
        return self.view.weights.shape(self.anchors.projections[0].node.input[1])[0]

    def integers(self, below: int) -> list[int]:
        """Return the integers that its constants hold: a mask's window is one of them."""
        values = {
            int(number)
            for name in self.names
            if name in self.view.constants and self.view.constants[name].data_type == TensorProto.INT64
            for number in self.view.constant(name).reshape(-1).tolist()
        }
        return sorted(value for value in values if 1 < value < below)

    def made_of(self, name: str) -> list[NodeProto]:
        """Return the operators of the region that `name` is made of."""
        return self._nodes_of(list(self._before([name])))

    def run(self, outputs: Sequence[str], given: Feeds, past: int, tokens: int) -> list[NDArray[np.float32]]:
        """Compute `outputs` for `tokens` new positions after `past`; what is not `given` is zeros.

        Raises NotFusableError when it reads something that is neither tokens, cache nor hidden state.
        """
        names = list(self._before(outputs))
        nodes = self._nodes_of(names)
        made = {name for node in nodes for name in node.output}
        open_names = [name for name in names if name not in made and name not in self.view.constants]
        feeds = {name: given.get(name, None) for name in open_names}
        filled = {
            name: self._zeros(name, past, tokens) if value is None else value for name, value in feeds.items()
        }
        graph = onnx.helper.make_graph(
            nodes,
            "region",
            [_value(name, array) for name, array in filled.items()],
            [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
            [self.view.constants[name] for name in names if name in self.view.constants],
        )
        return run_graph(graph, self.view.model, filled)

    def _zeros(self, name: str, past: int, tokens: int) -> NDArray[Any]:
        if name in self.view.inputs:
            return self._graph_input(name, past, tokens)
        return np.zeros((1, tokens, self.hidden_size), np.float32)

    def _graph_input(self, name: str, past: int, tokens: int) -> NDArray[Any]:
        if name.startswith("past_key_values."):
            dims = [dim.dim_value for dim in self.view.inputs[name].type.tensor_type.shape.dim]
            return np.zeros((1, dims[1], past, dims[3]), np.float32)
        known = {
            "input_ids": np.zeros((1, tokens), np.int64),
            "attention_mask": np.ones((1, past + tokens), np.int64),
            "position_ids": np.arange(past, past + tokens, dtype=np.int64)[None],
        }
        if name not in known:
            raise NotFusableError(
                f"layer {self.anchors.layer}: its attention reads the unknown input {name!r}"
            )
        return known[name]

    def _before(self, names: Sequence[str]) -> dict[str, None]:
        return self.view.before(names, self._is_border)

    def _is_border(self, name: str) -> bool:
        """Say whether a tensor is made outside: a projection, or a hidden state whose shape is asked for."""
        return name in self._borders or (name in self.view.hidden and name not in self._inside)

    @cached_property
    def _borders(self) -> set[str]:
        return {projection.output for projection in self.anchors.projections}

    @cached_property
    def _inside(self) -> dict[str, None]:
        return self.view.after(
            self._borders, lambda node: node.op_type != "Shape" and not self.view.is_product(node)
        )

    def _nodes_of(self, names: Sequence[str]) -> list[NodeProto]:
        makers = {
            id(self.view.maker[name]): self.view.maker[name]
            for name in names
            if name in self.view.maker and not self._is_border(name)
        }
        return [node for node in self.view.model.graph.node if id(node) in makers]


def run_graph(graph: onnx.GraphProto, like: onnx.ModelProto, feeds: Feeds) -> list[NDArray[np.float32]]:
    """Run a graph on the CPU as it stands, with the opsets of `like`."""
    import onnxruntime

    opsets = {entry.domain: entry.version for entry in like.opset_import} | {"com.microsoft": 1}
    model = onnx.helper.make_model(
        graph,
        opset_imports=[onnx.helper.make_opsetid(*entry) for entry in opsets.items()],
        ir_version=like.ir_version,
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values: list[NDArray[np.float32]] = session.run(None, feeds)
    except Exception as error:  # the runtime's errors have no common class
        raise NotFusableError(f"its attention can't be run alone: {str(error).splitlines()[0]}") from error
    return values


def _value(name: str, array: NDArray[Any]) -> onnx.ValueInfoProto:
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, [None] * array.ndim)
