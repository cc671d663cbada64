from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from baco_core.errors import ExportError  # noqa: E402  (after the skips)
from baco_exporters.graph import share_weights  # noqa: E402
from baco_exporters.half import to_half  # noqa: E402
from baco_exporters.onnx_export import kv_layout, vocabulary_size  # noqa: E402
from baco_exporters.weights_file import save_model  # noqa: E402

ROWS, WIDTH = 60, 24
TABLE = np.random.default_rng(0).standard_normal((ROWS, WIDTH)).astype(np.float32)
FLOAT, INT64 = 1, 7


def tied(head: NDArray[np.float32] | None = None, table: NDArray[np.float32] = TABLE) -> Any:
    """Return a graph that looks ids up in a table and multiplies with its transpose, stored again."""
    make = onnx.helper
    weights = {"table": table, "head": np.ascontiguousarray(table.T) if head is None else head}
    return make.make_model(
        make.make_graph(
            [
                make.make_node("Gather", ["table", "ids"], ["x"]),
                make.make_node("MatMul", ["x", "head"], ["logits"]),
            ],
            "tied",
            [make.make_tensor_value_info("ids", INT64, ["n"])],
            [make.make_tensor_value_info("logits", FLOAT, ["n", ROWS])],
            [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
        ),
        opset_imports=[make.make_opsetid("", 18)],
        ir_version=9,
    )


def run(model: Any, **feeds: NDArray[Any]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def names(model: Any) -> list[str]:
    return [tensor.name for tensor in model.graph.initializer]


IDS = np.array([3, 0, 59])


def test_a_head_tied_to_the_embedding_is_stored_once_and_computes_the_same() -> None:
    model = tied()
    before = run(model, ids=IDS)
    saved = share_weights(model)
    assert names(model) == ["table"]
    assert saved >= TABLE.nbytes
    np.testing.assert_array_equal(run(model, ids=IDS), before)


def test_a_head_of_its_own_stays() -> None:
    model = tied(head=np.ascontiguousarray(TABLE.T) + 1)
    assert share_weights(model) == 0
    assert names(model) == ["table", "head"]


def test_equal_weights_are_stored_once() -> None:
    model = tied(head=np.ascontiguousarray(TABLE[:WIDTH, :WIDTH].repeat(2, axis=1)))
    again = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(model.graph.initializer[1]), "again")
    model.graph.initializer.append(again)
    model.graph.node.append(onnx.helper.make_node("MatMul", ["x", "again"], ["second"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("second", FLOAT, ["n", 2 * WIDTH]))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2 * WIDTH
    share_weights(model)
    assert names(model) == ["table", "head"]
    assert model.graph.node[-1].input[1] == "head"


def test_sharing_twice_changes_nothing_more() -> None:
    model = tied()
    share_weights(model)
    once = model.SerializeToString()
    assert share_weights(model) == 0
    assert model.SerializeToString() == once


def test_large_weights_go_into_a_file_that_others_may_read(tmp_path: Path) -> None:
    model = tied(table=np.zeros((400_000, WIDTH), np.float32), head=TABLE.T)
    save_model(model, tmp_path / "model.onnx")
    data = tmp_path / "model.onnx.data"
    assert data.stat().st_size >= 400_000 * WIDTH * 4
    assert data.stat().st_mode == (tmp_path / "model.onnx").stat().st_mode
    assert run(onnx.load(tmp_path / "model.onnx"), ids=IDS).shape == (3, ROWS)


def test_small_weights_stay_in_the_graph(tmp_path: Path) -> None:
    save_model(tied(), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_half_precision_halves_the_matrices_and_keeps_the_logits_single() -> None:
    model = tied()
    exact = run(model, ids=IDS)
    to_half(model)
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    logits = run(model, ids=IDS)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, exact, atol=0.05)


def test_a_tied_head_stays_tied_in_half_precision() -> None:
    model = tied()
    to_half(model)
    share_weights(model)
    assert len(names(model)) == 1


def test_products_without_a_matrix_stay_single() -> None:
    """Positions times rotary frequencies: 30,000 times 0.3 in float16 would be off by radians."""
    make = onnx.helper
    frequencies = np.array([[0.3, 0.01, 1e-4, 1e-6]], np.float32)
    body = [
        make.make_node("Cast", ["ids"], ["position"], to=FLOAT),
        make.make_node("MatMul", ["position", "frequencies"], ["angles"]),
        make.make_node("Cos", ["angles"], ["logits"]),
    ]
    graph = make.make_graph(
        body,
        "rotary",
        [make.make_tensor_value_info("ids", INT64, [1, 1])],
        [make.make_tensor_value_info("logits", FLOAT, [1, 4])],
        [onnx.numpy_helper.from_array(frequencies, "frequencies")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    to_half(model)
    exact = np.cos(30001 * frequencies.astype(np.float64))
    np.testing.assert_allclose(run(model, ids=np.array([[30001]])), exact, atol=1e-3)


def test_a_weight_too_large_for_half_precision_is_named() -> None:
    with pytest.raises(ExportError, match="tensor 'table' holds values that float16 can't"):
        to_half(tied(table=TABLE * 1e6))


def test_branches_are_refused_in_half_precision() -> None:
    make = onnx.helper
    branch = make.make_graph([], "branch", [], [])
    model = tied()
    model.graph.node.append(
        make.make_node("If", ["c"], ["y"], name="choice", then_branch=branch, else_branch=branch)
    )
    with pytest.raises(ExportError, match="node 'choice' has a branch or a loop"):
        to_half(model)


def with_caches(*shapes: list[object]) -> Any:
    model = tied()
    for index, shape in enumerate(shapes):
        name = f"past_key_values.{index // 2}.{('key', 'value')[index % 2]}"
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, FLOAT, shape))
    return model


def test_the_cache_layout_is_what_the_inputs_declare() -> None:
    layout = kv_layout(with_caches(*[["batch", 2, "past", 16]] * 6))
    assert (layout.layers, layout.heads, layout.head_size, layout.dtype) == (3, 2, 16, "float32")


@pytest.mark.parametrize(
    "shapes",
    [[], [["b", 2, "p", 16], ["b", 2, "p", 8]], [["b", "p", 32]] * 2, [["b", "heads", "p", 16]] * 2],
)
def test_a_graph_without_one_cache_layout_is_refused(shapes: list[list[object]]) -> None:
    with pytest.raises(ExportError, match="no KV cache"):
        kv_layout(with_caches(*shapes))


def test_the_vocabulary_is_as_wide_as_the_logits() -> None:
    model = tied()
    model.graph.output[0].type.tensor_type.shape.dim.insert(0, onnx.TensorShapeProto.Dimension(dim_param="b"))
    assert vocabulary_size(model) == ROWS
