"""Who makes and who reads each tensor of a graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import onnx

from baco_exporters.fusion.skeleton import Weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

_PRODUCTS = frozenset({"MatMul", "Gemm"})


class View:
    """An index over a graph that does not change while it is looked at."""

    def __init__(self, bare: ModelProto, weights: Weights) -> None:
        self.weights = weights
        self.model = bare
        graph = bare.graph
        self.inputs = {value.name: value for value in graph.input if value.name not in weights}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.maker: dict[str, NodeProto] = {name: node for node in graph.node for name in node.output if name}
        self.readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.readers[name].append(node)
        lookups = [node.output[0] for node in graph.node if self.is_lookup(node)]
        self.hidden = self.after(lookups, lambda node: node.op_type != "Shape")

    def constant(self, name: str) -> NDArray[np.generic]:
        """Return the value of a small constant."""
        value: NDArray[np.generic] = onnx.numpy_helper.to_array(self.constants[name])
        return value

    def is_product(self, node: NodeProto) -> bool:
        """Say whether the node multiplies with a matrix of the model, or with one turned over."""
        return node.op_type in _PRODUCTS and (node.input[1] in self.weights or self._is_turned(node.input[1]))

    def is_lookup(self, node: NodeProto) -> bool:
        """Say whether the node looks rows of a matrix up, as an embedding does."""
        return node.op_type == "Gather" and node.input[0] in self.weights

    def _is_turned(self, name: str) -> bool:
        maker = self.maker.get(name)
        return maker is not None and maker.op_type == "Transpose" and maker.input[0] in self.weights

    def before(self, names: Iterable[str], stop: Callable[[str], bool]) -> dict[str, None]:
        """Return the tensors that `names` are made of, themselves included, in the order they are met.

        A tensor for which `stop` is true is in, what it is made of is not.
        """
        found: dict[str, None] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name in found or not name:
                continue
            found[name] = None
            if name in self.maker and not stop(name):
                todo.extend(self.maker[name].input)
        return found

    def after(self, names: Iterable[str], enter: Callable[[NodeProto], bool]) -> dict[str, None]:
        """Return the tensors made of `names`, themselves included, through nodes that `enter` allows."""
        found: dict[str, None] = {}
        todo = list(names)
        while todo:
            name = todo.pop()
            if name in found or not name:
                continue
            found[name] = None
            for node in self.readers[name]:
                if enter(node):
                    todo.extend(node.output)
        return found
