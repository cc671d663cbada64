"""A graph for a batch reads a token of each of several sequences, each as if it were alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baco_core.errors import ExportError
from baco_exporters.batch_check import batch_difference
from baco_exporters.fusion import with_batch
from baco_exporters.parity import Reference
from tests.exporters.fusion_runs import VOCABULARY, exported, fused, onnx

IDS = tuple((7919 * (index + 1)) % VOCABULARY for index in range(9))


def saved(model: Any, path: Path) -> Path:
    onnx.save_model(model, path)
    return path


def references() -> list[Reference]:
    return [Reference("made", IDS, np.zeros((len(IDS), VOCABULARY), np.float32))]


@pytest.mark.parametrize("name", ["llama", "gemma3", "qwen3", "phi3", "mistral", "olmo2"])
def test_every_sequence_says_what_it_says_alone(name: str, tmp_path: Path) -> None:
    model = fused(name).model
    single = saved(model, tmp_path / "model.onnx")
    batch = saved(with_batch(model), tmp_path / "model.batch.onnx")
    assert batch_difference(single, batch, references()) < 1e-4


def test_a_wrong_graph_for_a_batch_is_found(tmp_path: Path) -> None:
    single = saved(fused("llama").model, tmp_path / "model.onnx")
    batch = saved(with_batch(fused("qwen3").model), tmp_path / "model.batch.onnx")
    assert batch_difference(single, batch, references()) > 0.1


def test_what_is_not_fused_gets_none() -> None:
    with pytest.raises(ExportError, match="Fuse it first"):
        with_batch(exported("llama")[0])
