"""LoRA on an exported graph: branches that do nothing until an adapter gives them values.

Beside a product `x @ W` the graph gets `+ (x @ A) @ B`, where A and B are inputs with an initialiser of zeros
of rank 1, so that the graph alone is the base model. ONNX Runtime gives such inputs the values of an adapter
file. Where products were merged, or their columns reordered, one branch serves all of them: A has their ranks
side by side, and B has zeros where a column belongs to another.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baco_core.errors import ExportError
from baco_exporters.peft_folder import LowRank

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto

    Columns = dict[bytes, list[tuple[int, int]]]  # digest of a column -> (product, column)

Parameters = dict[str, "NDArray[np.float32]"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module's outputs are in the graph: column `columns[i]` of product `product` is output i."""

    product: int
    columns: NDArray[np.int64]


def add_branches(
    model: ModelProto, weights: Mapping[str, NDArray[np.float32]], adapter: Mapping[str, LowRank]
) -> Parameters:
    """Add a branch beside every product that the adapter changes, in place; return its values by input.

    `weights` are the base model's matrices [out, in] by module. They are found in the graph by their content,
    so it does not matter what a fusion made of names and order. Raises ExportError when one is not there.
    """
    products = _products(model.graph)
    matrices = _matrices(model.graph, products)
    places = _find(matrices, {module: weights[module] for module in adapter})
    parts: defaultdict[int, list[tuple[Place, LowRank]]] = defaultdict(list)
    for module, low in adapter.items():
        parts[places[module].product].append((places[module], low))
    parameters: Parameters = {}
    for number, each in sorted(parts.items()):
        down, up = _merged(each, matrices[number].shape[1])
        names = f"lora_A.{number}", f"lora_B.{number}"
        _add_branch(model.graph, products[number], names, down.shape[0], up.shape[1])
        parameters |= dict(zip(names, (down, up), strict=True))
    return parameters


def write_adapter(parameters: Parameters, path: Path) -> None:
    """Write the values as an ONNX Runtime adapter."""
    import onnxruntime

    value = onnxruntime.OrtValue.ortvalue_from_numpy
    values = {name: value(np.ascontiguousarray(array)) for name, array in parameters.items()}
    adapter = onnxruntime.AdapterFormat()
    adapter.set_adapter_version(1)
    adapter.set_model_version(1)
    adapter.set_parameters(values)  # it keeps no reference: `values` has to live until the file is written
    path.parent.mkdir(exist_ok=True)
    adapter.export_adapter(str(path))


def _products(graph: GraphProto) -> list[NodeProto]:
    names = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    return [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in names]


def _matrices(graph: GraphProto, products: list[NodeProto]) -> list[NDArray[np.float32]]:
    import onnx

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    return [np.asarray(onnx.numpy_helper.to_array(tensors[node.input[1]])) for node in products]


def _find(matrices: list[NDArray[np.float32]], wanted: Mapping[str, NDArray[np.float32]]) -> dict[str, Place]:
    """Return the place of every weight [out, in]. Equal columns are taken in the graph's order."""
    columns: Columns = defaultdict(list)
    for number, matrix in enumerate(matrices):
        for index, key in enumerate(_keys(matrix.T)):
            columns[key].append((number, index))
    return {module: _place(module, weight, columns) for module, weight in wanted.items()}


def _place(module: str, weight: NDArray[np.float32], columns: Columns) -> Place:
    found = [columns.get(key, []) for key in _keys(weight)]
    products = set.intersection(*({number for number, _ in each} for each in found))
    if len(products) != 1:
        raise ExportError(
            f"the adapter changes {module!r}, whose weight is in {len(products)} products of the graph, not "
            "in one; merge the adapter into the model, and export base and aligned as two models."
        )
    number, taken = products.pop(), {-1: None}
    for each in found:
        equal = [index for product, index in each if product == number]
        taken[next((index for index in equal if index not in taken), -1)] = None
    return Place(number, np.array(list(taken)[1:], np.int64))


def _keys(rows: NDArray[np.float32]) -> list[bytes]:
    """Return a digest of every row."""
    return [hashlib.blake2b(row, digest_size=16).digest() for row in np.ascontiguousarray(rows)]


def _merged(
    parts: list[tuple[Place, LowRank]], width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return A [in, ranks] and B [ranks, width] of the modules that one product holds."""
    down = np.concatenate([low.down.T for _, low in parts], axis=1)
    up = np.zeros((down.shape[1], width), np.float32)
    start = 0
    for place, low in parts:
        rank = low.up.shape[1]
        up[start : start + rank, place.columns] = low.up.T
        start += rank
    return down, up


def _add_branch(graph: GraphProto, product: NodeProto, names: tuple[str, str], size: int, width: int) -> None:
    import onnx

    make, result = onnx.helper.make_node, product.output[0]
    plain, low, change = (f"{names[0]}/{part}" for part in ("product", "low", "change"))
    shapes: dict[str, list[int | str]] = {names[0]: [size, "rank"], names[1]: ["rank", width]}
    for (name, shape), zeros in zip(shapes.items(), ((size, 1), (1, width)), strict=True):
        kind = onnx.TensorProto.FLOAT
        shape = [f"{names[0]}.rank" if dim == "rank" else dim for dim in shape]
        graph.input.append(onnx.helper.make_tensor_value_info(name, kind, shape))
        graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(zeros, np.float32), name))
    product.output[0] = plain
    made = [
        make("MatMul", [product.input[0], names[0]], [low], name=low),
        make("MatMul", [low, names[1]], [change], name=change),
        make("Add", [plain, change], [result], name=f"{names[0]}/Add"),
    ]
    at = next(index for index, node in enumerate(graph.node) if node.output and node.output[0] == plain)
    for node in reversed(made):
        graph.node.insert(at + 1, node)
