"""Random models of every architecture that is promised, through the whole export."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exporters.made_models import ARCHITECTURES, VOCABULARY, model_folder

pytest.importorskip("onnxruntime")

from baco_core.bundle import read_bundle
from baco_exporters.bundle import Order, export_bundle
from baco_exporters.progress import quiet
from baco_exporters.recipe import Precision, Recipe

FIGURES = {"fp32": 1e-5, "fp16": 1.5e-2}
"""Largest logit difference met here; logits have a root mean square of 0.7."""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_export_equals_pytorch(tmp_path: Path, architecture: str, precision: Precision) -> None:
    folder = model_folder(tmp_path / "source", architecture)
    with quiet(tmp_path / "noise.log") as progress:
        export_bundle(
            Order(
                {"model": str(folder)},
                tmp_path / "out",
                Recipe(precision),
            ),
            progress,
        )
    record = read_bundle(tmp_path / "out").member("model")
    assert record.vocab_size == VOCABULARY
    assert record.kv.dtype == ("float16" if precision == "fp16" else "float32")
    assert record.parity is not None
    figures = record.parity.whole, record.parity.steps, record.parity.chunks
    assert max(figures) < FIGURES[precision]
