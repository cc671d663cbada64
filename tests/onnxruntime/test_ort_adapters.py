"""Adapters: two models on one set of weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from baco_core.errors import ModelError
from baco_core.testing.models import check_model
from baco_onnxruntime.backend import OnnxRuntimeBackend
from tests.fused_graphs import FusedDecoder
from tests.graphs import Decoder
from tests.onnxruntime.conftest import files_of

DECODER = FusedDecoder(slots=2, adaptable=True)
TOKENS = [3, 1, 4, 1, 5, 9, 2, 6]


def saved(path: Path, values: dict[str, np.ndarray]) -> Path:
    """Write an adapter with these parameters."""
    parameters = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in values.items()}
    adapter = onnxruntime.AdapterFormat()
    adapter.set_parameters(parameters)  # it keeps no reference to them
    adapter.export_adapter(str(path))
    return path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return DECODER.save(tmp_path / "model.onnx")


def test_an_adapter_makes_another_model_of_the_same_weights(graph: Path, tmp_path: Path) -> None:
    backend, files = OnnxRuntimeBackend(), files_of(graph, DECODER)
    base = backend.load(files)
    aligned = backend.load(replace(files, adapter=saved(tmp_path / "a.onnx_adapter", DECODER.adapter())))
    assert aligned is not base
    assert aligned.session is base.session
    first, second = base.open(), aligned.open()
    for token in range(0, len(TOKENS), 2):
        got = [one.extend(TOKENS[token : token + 2], 2) for one in (first, second)]
        wanted = [DECODER.rows(TOKENS, adapter)[token : token + 2] for adapter in (None, DECODER.adapter())]
        np.testing.assert_allclose(got, wanted, atol=1e-4)
    check_model(aligned, tolerance=0)
    assert base.exact
    assert aligned.exact


def test_an_adapter_that_does_not_fit_is_named(graph: Path, tmp_path: Path) -> None:
    files, values = files_of(graph, DECODER), DECODER.adapter()
    name, value = next(iter(values.items()))
    (tmp_path / "text.onnx_adapter").write_text("no adapter at all")
    plain = Decoder().save(tmp_path / "plain.onnx")
    for adapter, graph_files, message in (
        (tmp_path / "gone.onnx_adapter", files, "there is no such adapter"),
        (tmp_path / "text.onnx_adapter", files, "no adapter ONNX Runtime can read"),
        (
            saved(tmp_path / "n.onnx_adapter", {"lora_A.9": value}),
            files,
            "no parameter 'lora_A.9'. Did you mean",
        ),
        (saved(tmp_path / "s.onnx_adapter", {name: value[:-1]}), files, r"has the shape \[63, 4\], but"),
        (
            saved(tmp_path / "p.onnx_adapter", values),
            files_of(plain, Decoder()),
            "adapters need a fused graph",
        ),
    ):
        with pytest.raises(ModelError, match=message) as raised:
            OnnxRuntimeBackend().load(replace(graph_files, adapter=adapter))
        assert "\n" not in str(raised.value)
