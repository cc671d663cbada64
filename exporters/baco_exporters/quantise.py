"""Weights in 4 or 8 bits: MatMulNBits for products, GatherBlockQuantized for the embedding.

ONNX Runtime's own MatMulNBitsQuantizer does the products. It would quantise an embedding to another layout
than a head, in 4 bits only; here an embedding has the head's layout, and a tied table is stored once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from baco_core.errors import ExportError
from baco_exporters.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

    _Rows = tuple[NDArray[Any], NDArray[Any]]  # codes [rows, blocks, bytes] and scales [rows, blocks]

_DOMAIN = "com.microsoft"
_MATRIX_FROM = 1024
"""Elements; smaller matrices are not worth an operator."""
_EMBEDDING_BITS = 8
"""Of a table of its own: rows are looked up, so their size costs no time, and 8 bits lose nothing."""


def quantise(model: ModelProto, recipe: Recipe) -> dict[str, int]:
    """Quantise the weights of a float32 graph, in place, in blocks along the summed dimension.

    Returns the bits of the `body`, the `head` and the `embedding`; 32 for what stays as it is. Raises
    ExportError when the graph has no product with a matrix, or a weight is not finite.
    """
    graph = model.graph
    tied = _spell_out_heads(graph)
    _split_gemms(graph)
    products = _products(graph)
    if not products or recipe.bits is None:
        raise ExportError(
            f"the graph has no product with a matrix; it can't be exported in {recipe.precision}."
        )
    _check_finite(graph, {node.input[1] for node in products})
    head = next((node.name for node in products if _makes_logits(graph, node)), "")
    head_bits = recipe.head_bits or recipe.bits
    with _tool() as tool:
        _run_tool(tool, model, recipe, recipe.bits, {node.name for node in products} - {head})
        _run_tool(tool, model, recipe, head_bits, {head})
        embedding = _quantise_embeddings(tool, model, recipe, head_bits, tied)
    return {"body": recipe.bits, "head": head_bits if head else 32, "embedding": embedding}


def _spell_out_heads(graph: GraphProto) -> dict[str, str]:
    """Write the transpose of a shared table as a matrix of its own; return its name by the table's."""
    import onnx

    tables = {tensor.name: tensor for tensor in graph.initializer}
    tied = {}
    for node in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in tables]:
        table = onnx.numpy_helper.to_array(tables[node.input[0]])
        if table.ndim == 2:
            head = np.ascontiguousarray(table.T)
            graph.initializer.append(onnx.numpy_helper.from_array(head, node.output[0]))
            graph.node.remove(node)
            tied[node.input[0]] = node.output[0]
    return tied


def _split_gemms(graph: GraphProto) -> None:
    """Write `Gemm` with a weight as the product and the sum it is; the tool knows products only."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        is_plain = node.op_type == "Gemm" and node.input[1] in weights and _is_plain(node)
        graph.node.extend(_product_and_sum(graph, node, weights[node.input[1]]) if is_plain else [node])


def _is_plain(node: NodeProto) -> bool:
    options = _options(node)
    return options.get("alpha", 1.0) == options.get("beta", 1.0) == 1.0 and not options.get("transA")


def _product_and_sum(graph: GraphProto, node: NodeProto, weight: TensorProto) -> list[NodeProto]:
    import onnx

    name = weight.name
    if _options(node).get("transB"):
        name = f"{weight.name}_turned"
        turned = np.ascontiguousarray(onnx.numpy_helper.to_array(weight).T)
        graph.initializer.append(onnx.numpy_helper.from_array(turned, name))
    make, result = onnx.helper.make_node, node.output[0]
    if len(node.input) < 3:
        return [make("MatMul", [node.input[0], name], [result], name=node.name)]
    product = f"{result}_product"
    return [
        make("MatMul", [node.input[0], name], [product], name=f"{node.name}_product"),
        make("Add", [product, node.input[2]], [result], name=node.name),
    ]


def _products(graph: GraphProto) -> list[NodeProto]:
    """Return the products with a large constant matrix, each with a name of its own."""
    inputs = {value.name for value in graph.input}
    large = {tensor.name for tensor in graph.initializer if _is_large_matrix(tensor)} - inputs
    found = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in large]
    for index, node in enumerate(found):
        node.name = f"{node.name}_quantised_{index}"  # the tool tells nodes apart by name
    return found


def _is_large_matrix(tensor: TensorProto) -> bool:
    import onnx

    is_matrix = tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    return is_matrix and int(np.prod(tensor.dims)) >= _MATRIX_FROM


def _check_finite(graph: GraphProto, names: Collection[str]) -> None:
    import onnx

    for tensor in graph.initializer:
        if tensor.name in names and not np.isfinite(onnx.numpy_helper.to_array(tensor)).all():
            raise ExportError(
                f"tensor {tensor.name!r} holds values that are not finite; it can't be quantised. "
                "Check the source's weights."
            )


def _makes_logits(graph: GraphProto, node: NodeProto) -> bool:
    """Say whether only sums, casts and caps lie between a product and the logits."""
    names = set(node.output)
    for other in graph.node:
        if other.op_type in ("Add", "Cast", "Div", "Mul", "Tanh") and names & set(other.input):
            names |= set(other.output)
    return "logits" in names


def _run_tool(tool: Any, model: ModelProto, recipe: Recipe, bits: int, names: Collection[str]) -> None:
    """Quantise the products of these names to symmetric blocks, and nothing else."""
    config = tool.DefaultWeightOnlyQuantConfig(
        block_size=recipe.block_size,
        is_symmetric=True,
        accuracy_level=recipe.accuracy_level,
        bits=bits,
    )
    others = [node.name for node in model.graph.node if node.op_type == "MatMul" and node.name not in names]
    tool.MatMulNBitsQuantizer(model, bits=bits, nodes_to_exclude=others, algo_config=config).process()


def _quantise_embeddings(
    tool: Any, model: ModelProto, recipe: Recipe, head_bits: int, tied: dict[str, str]
) -> int:
    """Let every lookup in a large table read quantised rows; return the bits of the last, or 32.

    Rows of a table that is tied to the head are read where they lie, in the head's MatMulNBits.
    """
    graph, bits = model.graph, 32
    tables = {tensor.name: tensor for tensor in graph.initializer if _is_large_matrix(tensor)}
    for node in [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]:
        table = tables[node.input[0]]
        if _options(node).get("axis") or table.dims[1] % recipe.block_size:
            continue
        if table.name in tied:
            bits, rows = head_bits, _weights_of_head(graph, tied[table.name])
        else:
            bits, rows = _EMBEDDING_BITS, _quantised_table(tool, table, recipe)
        _look_up(graph, node, table, rows, {"block_size": recipe.block_size, "bits": bits})
    read = {name for node in graph.node for name in node.input}
    for table in [table for table in tables.values() if table.name not in read]:
        graph.initializer.remove(table)
    return bits


def _look_up(
    graph: GraphProto, node: NodeProto, table: TensorProto, rows: _Rows, options: dict[str, int]
) -> None:
    """Turn a lookup into GatherBlockQuantized; it reads MatMulNBits' layout, a row's blocks joined."""
    import onnx

    names = [f"{table.name}_rows", f"{table.name}_row_scales"]
    for name, array in zip(names, rows, strict=True):
        graph.initializer.append(onnx.numpy_helper.from_array(array.reshape(table.dims[0], -1), name))
    node.op_type, node.domain = "GatherBlockQuantized", _DOMAIN
    node.input[:] = [names[0], node.input[1], names[1]]
    del node.attribute[:]
    options = {"gather_axis": 0, "quantize_axis": 1} | options
    node.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in options.items())


def _weights_of_head(graph: GraphProto, head: str) -> _Rows:
    """Return codes and scales of the quantised product whose matrix was named `head`."""
    import onnx

    products = (node for node in graph.node if node.op_type == "MatMulNBits")
    names = next(node.input[1:3] for node in products if node.input[1].startswith(f"{head}_"))
    found = {tensor.name: tensor for tensor in graph.initializer}
    return onnx.numpy_helper.to_array(found[names[0]]), onnx.numpy_helper.to_array(found[names[1]])


def _quantised_table(tool: Any, table: TensorProto, recipe: Recipe) -> _Rows:
    import onnx

    config = tool.DefaultWeightOnlyQuantConfig(
        block_size=recipe.block_size, is_symmetric=True, bits=_EMBEDDING_BITS
    )
    turned = np.ascontiguousarray(onnx.numpy_helper.to_array(table).T)  # the tool reads memory, not strides
    codes, scales, _ = tool.DefaultWeightOnlyQuantizer(config).qbits_block_quant(turned)
    return codes, scales


def _options(node: NodeProto) -> dict[str, Any]:
    import onnx

    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


@contextmanager
def _tool() -> Iterator[Any]:
    """Give the quantiser's module; it sets up logging for the whole process, which is undone."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        from onnxruntime.quantization import matmul_nbits_quantizer as tool
    except ImportError as error:
        raise ExportError(
            f"quantising needs {error.name}; install it with: pip install 'baco[export]'."
        ) from error
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    yield tool
