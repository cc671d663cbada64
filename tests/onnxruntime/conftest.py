"""Graphs and models the tests of the backend share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from baco_core.bundle import ModelFiles
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.model import OnnxModel
from tests.graphs import Decoder

Load = Callable[..., OnnxModel]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Write a decoder's graph and load it: `load(decoder, prefill_chunk=4)`."""

    def load_decoder(decoder: Decoder, **options: object) -> OnnxModel:
        path = decoder.save(tmp_path_factory.mktemp("decoder") / "model.onnx")
        files = files_of(path, decoder)
        return OnnxRuntimeBackend(**options).load(files)  # type: ignore[arg-type]

    return load_decoder


def files_of(path: Path, decoder: Decoder) -> ModelFiles:
    """Return what a manifest would say of the decoder written to `path`."""
    return ModelFiles(path, decoder.vocab_size, decoder.max_length)


@pytest.fixture
def decoder_path(tmp_path: Path) -> Path:
    """A plain decoder's graph on disk."""
    return Decoder().save(tmp_path / "model.onnx")
