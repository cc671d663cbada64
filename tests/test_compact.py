"""Weights stored small: bounded error, stored once, float32 again after loading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from baco_core.errors import ExportError
from baco_exporters.compact import compact_weights, quantize_channels

VOCABULARY, WIDTH = 48, 32


def random_matrix(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


@pytest.fixture
def tied_model() -> onnx.ModelProto:
    """ids → embedding → matrix → head, where the head is the embedding's transpose, written again."""
    table, matrix = random_matrix(VOCABULARY, WIDTH), random_matrix(WIDTH, WIDTH, seed=1)
    weights = {"table": table, "matrix": matrix, "head": np.ascontiguousarray(table.T), "bias": table[0]}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["embedded"]),
        helper.make_node("MatMul", ["embedded", "matrix"], ["mixed"]),
        helper.make_node("Add", ["mixed", "bias"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "head"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tied",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", VOCABULARY])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: onnx.ModelProto, ids: list[int], optimized: Path | None = None) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    logits: NDArray[np.float32] = session.run(None, {"ids": np.array(ids)})[0]
    return logits


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    axis=st.sampled_from([0, 1]),
    size=st.floats(1e-6, 1e6),
    seed=st.integers(0, 99),
)
def test_codes_are_off_by_half_a_scale_at_most(
    rows: int, columns: int, axis: int, size: float, seed: int
) -> None:
    weight = random_matrix(rows, columns, seed) * np.float32(size)
    codes, scales = quantize_channels(weight, axis)
    assert scales.shape == ((rows, 1) if axis == 0 else (1, columns))
    assert np.all(np.abs(codes * scales - weight) <= scales * 0.5001)


def test_a_channel_of_zeros_stays_zero() -> None:
    codes, scales = quantize_channels(np.zeros((3, 4), dtype=np.float32), axis=0)
    assert not (codes * scales).any()


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.03), (16, 0.002)])
def test_a_compact_model_computes_nearly_the_same(
    tied_model: onnx.ModelProto, bits: int, tolerance: float
) -> None:
    wanted = run(tied_model, [0, 5, 47])
    got = run(compact_weights(tied_model, bits=bits, min_size=1), [0, 5, 47])  # type: ignore[arg-type]
    assert np.abs(got - wanted).max() <= tolerance * np.abs(wanted).max()


def test_a_tied_head_is_stored_once_and_biases_stay_exact(tied_model: onnx.ModelProto) -> None:
    small = compact_weights(tied_model)
    stored = {tensor.name: tensor for tensor in small.graph.initializer}
    assert set(stored) == {"table_codes", "table_scales", "matrix_codes", "matrix_scales", "bias"}
    assert list(stored["table_scales"].dims) == [VOCABULARY, 1]
    assert list(stored["matrix_scales"].dims) == [1, WIDTH]
    assert small.ByteSize() < tied_model.ByteSize() / 3


def test_the_runtime_folds_the_weights_back_to_float32(tied_model: onnx.ModelProto, tmp_path: Path) -> None:
    small = compact_weights(tied_model)
    run(small, [1], optimized=tmp_path / "optimized.onnx")
    loaded = onnx.load(tmp_path / "optimized.onnx").graph
    assert {node.op_type for node in loaded.node} <= {"Gather", "MatMul", "Add", "Gemm"}
    assert {tensor.data_type for tensor in loaded.initializer} == {TensorProto.FLOAT}


def test_the_model_given_is_left_alone(tied_model: onnx.ModelProto) -> None:
    before = tied_model.SerializeToString()
    compact_weights(tied_model)
    assert tied_model.SerializeToString() == before


def test_small_matrices_stay_as_they_are(tied_model: onnx.ModelProto) -> None:
    small = compact_weights(tied_model, min_size=WIDTH * WIDTH + 1)
    assert "matrix" in {tensor.name for tensor in small.graph.initializer}


def test_a_gemm_with_a_transposed_weight_is_scaled_by_rows() -> None:
    weight = random_matrix(40, 30)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "weight"], ["y"], transB=1)],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 30])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 40])],
        [numpy_helper.from_array(weight, "weight")],
    )
    small = compact_weights(helper.make_model(graph), min_size=1)
    scales = next(tensor for tensor in small.graph.initializer if tensor.name == "weight_scales")
    assert list(scales.dims) == [40, 1]


def test_the_tables_of_fused_attention_stay_exact(tied_model: onnx.ModelProto) -> None:
    """Cosines and sines are large matrices, but in 8 bits they would turn every layer by a little."""
    tables = {name: random_matrix(64, WIDTH, seed) for seed, name in enumerate(("cosines", "sines"), 2)}
    for name, array in tables.items():
        tied_model.graph.initializer.append(numpy_helper.from_array(array, name))
    inputs = ["embedded", "", "", "past", "past", "lengths", "total", *tables]
    attention = helper.make_node("GroupQueryAttention", inputs, ["read"], domain="com.microsoft")
    tied_model.graph.node.append(attention)
    stored = {tensor.name: tensor for tensor in compact_weights(tied_model).graph.initializer}
    assert {"table_codes", "matrix_codes"} <= set(stored)
    for name, array in tables.items():
        assert np.array_equal(numpy_helper.to_array(stored[name]), array)


def test_other_widths_and_broken_weights_are_refused(tied_model: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match="8 or 16 bits, not 4"):
        compact_weights(tied_model, bits=4)  # type: ignore[arg-type]
    tied_model.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.full((WIDTH, WIDTH), np.nan, dtype=np.float32), "matrix")
    )
    with pytest.raises(ExportError, match="'matrix' holds values that are not finite"):
        compact_weights(tied_model)
