"""A sentence encoder on ONNX Runtime: a folder with a graph, a tokenizer and `encoder.json`.

    encoder.json      the Record below     model.onnx     tokenizer.json     NOTICE.txt

`baco export --encoder` writes it. A vector is the mean over a text's tokens, of length 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_core.bundle import FileRecord, SourceRecord
from baco_eval.models.folder import Kind, Reader, open_reader

ENCODER = Kind("encoder")
KEPT = 50_000
"""Most vectors kept: 150 MB of MiniLM's."""


class Record(msgspec.Struct, frozen=True):
    """The content of `encoder.json`. `parity` is the largest difference of a vector to PyTorch's."""

    format: Literal[1]
    pooling: Literal["mean"]
    max_tokens: int
    parity: float
    source: SourceRecord
    files: dict[str, FileRecord]
    created_with: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Encoder:
    """Turns texts into vectors. One text a pass: its vector does not depend on its company."""

    reader: Reader
    kept: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False, compare=False)
    """Vectors of texts read before: several metrics ask for the same."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return vectors of length 1, shape (k, width), float64."""
        return np.stack([self._kept(text) for text in texts])

    def _kept(self, text: str) -> NDArray[np.float64]:
        if text not in self.kept:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            self.kept[text] = self._embed(text)
        return self.kept[text]

    def _embed(self, text: str) -> NDArray[np.float64]:
        hidden = self.reader.answer(self.reader.tokenizer.encode(text))
        vector: NDArray[np.float64] = hidden.astype(np.float64).mean(axis=0)
        return vector / np.linalg.norm(vector)


def encoder(name: str) -> Encoder:
    """Return an encoder by the name of its folder, opened once.

    Raises Unavailable where it is not here, and BundleError for a damaged folder.
    """
    return open_encoder(ENCODER.find(name))


@lru_cache(maxsize=2)
def open_encoder(folder: Path) -> Encoder:
    """Open an encoder once; BundleError for a damaged folder, Unavailable without ONNX Runtime."""
    return Encoder(open_reader(folder, ENCODER.read(folder, Record)))
