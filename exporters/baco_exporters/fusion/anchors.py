"""Where the attention of each layer begins and ends, found from its cache and its projections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from baco_exporters.fusion.outcome import NotFusableError
from baco_exporters.fusion.view import View

if TYPE_CHECKING:
    from onnx import NodeProto

_STILL_FLAT = frozenset({"Add", "Clip", "LayerNormalization", "SimplifiedLayerNormalization"})
"""What may follow a projection before it is cut into heads: a bias, a norm over all heads, a clamp."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A product with a matrix of the model, its bias if it has one, and the tensor `output` [1, T, width].

    `plain` says that nothing else lies between the product and `output`, so their columns can be reordered.
    """

    node: NodeProto
    bias: str
    output: str
    width: int
    plain: bool


@dataclass(frozen=True, slots=True)
class Anchors:
    """A layer's attention: what its projections make, until `result` [1, T, query width].

    `projections` are query, key and value, or one that holds all three.
    """

    layer: int
    projections: tuple[Projection, ...]
    result: str
    kv_heads: int
    head_size: int

    @property
    def heads(self) -> int:
        """How many query heads there are, from the widths."""
        packed = len(self.projections) == 1
        queries = self.projections[0].width - (2 * self.kv_heads * self.head_size if packed else 0)
        return queries // self.head_size

    @property
    def past(self) -> tuple[str, str]:
        """The names of the cache's inputs."""
        return f"past_key_values.{self.layer}.key", f"past_key_values.{self.layer}.value"

    @property
    def present(self) -> tuple[str, str]:
        """The names of the cache's outputs."""
        return f"present.{self.layer}.key", f"present.{self.layer}.value"


def find_anchors(view: View) -> list[Anchors]:
    """Return the anchors of every layer; raises NotFusableError where it does not look like attention."""
    layers = sum(name.startswith("past_key_values.") for name in view.inputs) // 2
    return [_layer(view, layer) for layer in range(layers)]


def _layer(view: View, layer: int) -> Anchors:
    keys, values = (f"present.{layer}.{part}" for part in ("key", "value"))
    result = _result(view, layer, keys)
    key, value = (_source(view, layer, name) for name in (keys, values))
    found = _products_before(view, [result, keys, values])
    shape = [dim.dim_value for dim in view.inputs[f"past_key_values.{layer}.key"].type.tensor_type.shape.dim]
    if key is value and len(found) == 1:
        parts = [key]
    else:
        queries = [node for node in found if node is not key and node is not value]
        if len(queries) != 1 or key is value:
            raise NotFusableError(f"layer {layer}: its attention reads {len(found)} projections, not 1 or 3")
        parts = [queries[0], key, value]
    projections = tuple(_projection(view, node) for node in parts)
    return Anchors(layer, projections, result, kv_heads=shape[1], head_size=shape[3])


def _source(view: View, layer: int, present: str) -> NodeProto:
    """Return the projection that a cache output is made of."""
    found = _products_before(view, [present])
    if len(found) != 1:
        raise NotFusableError(f"layer {layer}: {present} is made of {len(found)} projections, not of one")
    return found[0]


def _products_before(view: View, names: list[str]) -> list[NodeProto]:
    """Return the nearest products with a matrix that the values of `names` (not the shapes) come from."""

    def stop(name: str) -> bool:
        node = view.maker[name]
        return node.op_type == "Shape" or view.is_product(node) or view.is_lookup(node)

    makers = [view.maker[name] for name in view.before(names, stop) if name in view.maker]
    return list({id(node): node for node in makers if view.is_product(node)}.values())


def _result(view: View, layer: int, present: str) -> str:
    """Return the input of the first product with a matrix after the cache: the output projection."""
    start = [name for name in view.maker[present].output if name]
    made = view.after(start, lambda node: node.op_type != "Shape" and not view.is_product(node))
    found: set[str] = {node.input[0] for name in made for node in view.readers[name] if view.is_product(node)}
    if len(found) != 1:
        raise NotFusableError(f"layer {layer}: {len(found)} output projections follow its cache, not one")
    return found.pop()


def _projection(view: View, node: NodeProto) -> Projection:
    """Follow a product until its columns are cut into heads."""
    if node.op_type != "MatMul" or node.input[1] not in view.weights:
        raise NotFusableError(
            f"{node.name}: a projection is a {node.op_type} of another form than MatMul(x, W)"
        )
    output, bias, plain = node.output[0], "", True
    width = view.weights.shape(node.input[1])[1]
    while follower := _flat_follower(view, output, width):
        added = [name for name in follower.input if name in view.constants]
        if follower.op_type == "Add" and not bias and plain:
            bias = added[0]
        else:
            plain = False
        output = follower.output[0]
    return Projection(node, bias, output, width, plain)


def _flat_follower(view: View, name: str, width: int) -> NodeProto | None:
    readers = [node for node in view.readers[name] if node.op_type != "Shape"]
    if len(readers) != 1 or readers[0].op_type not in _STILL_FLAT:
        return None
    sizes = [list(view.constants[name].dims) for name in readers[0].input if name in view.constants]
    is_flat = readers[0].op_type == "Clip" or [width] in sizes
    return readers[0] if is_flat else None
