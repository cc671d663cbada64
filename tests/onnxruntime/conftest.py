"""Graphs and models the tests of the backend share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from baco_core.bundle import ModelFiles
from baco_core.paths import CACHE_VARIABLE
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.model import OnnxModel
from tests.fused_graphs import FusedDecoder
from tests.graphs import Decoder

Load = Callable[..., OnnxModel]
AnyDecoder = Decoder | FusedDecoder


@pytest.fixture(autouse=True, scope="session")
def exactness_kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what probes find away from the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Write a decoder's graph and load it: `load(decoder, prefill_chunk=4)`."""

    def load_decoder(decoder: AnyDecoder, *, singly: bool = False, **options: object) -> OnnxModel:
        path = decoder.save(tmp_path_factory.mktemp("decoder") / "model.onnx")
        files = replace(files_of(path, decoder), singly=singly)
        return OnnxRuntimeBackend(**options).load(files)  # type: ignore[arg-type]

    return load_decoder


def files_of(path: Path, decoder: AnyDecoder) -> ModelFiles:
    """Return what a manifest would say of the decoder written to `path`."""
    return ModelFiles(path, decoder.vocab_size, decoder.max_length)


@pytest.fixture
def decoder_path(tmp_path: Path) -> Path:
    """A plain decoder's graph on disk."""
    return Decoder().save(tmp_path / "model.onnx")
