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


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 0, 0]])
def test_sequences_that_are_mixed_up_are_found(order: list[int], tmp_path: Path) -> None:
    model = fused("llama").model
    single, mixed = saved(model, tmp_path / "model.onnx"), with_batch(model)
    flat = next(node for node in mixed.graph.node if node.name == "head/Flatten")
    mixed.graph.initializer.append(onnx.numpy_helper.from_array(np.array(order), "order"))
    at = list(mixed.graph.node).index(flat)
    mixed.graph.node.insert(at, onnx.helper.make_node("Gather", [flat.input[0], "order"], ["mixed"], axis=0))
    flat.input[0] = "mixed"
    batch = saved(mixed, tmp_path / "model.batch.onnx")
    assert batch_difference(single, batch, references()) > 0.01


def test_what_is_not_fused_gets_none() -> None:
    with pytest.raises(ExportError, match="Fuse it first"):
        with_batch(exported("llama")[0])
