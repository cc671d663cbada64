"""A sentence encoder on ONNX Runtime: a folder with a graph, a tokenizer and `encoder.json`.

    encoder.json      the Record below     model.onnx     tokenizer.json     NOTICE.txt

`baco export --encoder` writes it. A vector is the mean over a text's tokens, of length 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_core.bundle import FileRecord, SourceRecord, inside, sha256_of
from baco_core.errors import BundleError, ModelError
from baco_core.paths import cache_folder
from baco_eval.metrics.metric import Unavailable

RECORD_NAME = "encoder.json"
FOLDER = "encoders"
FORMAT: Literal[1] = 1


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

    session: Any
    tokenizer: Any
    inputs: frozenset[str]

    def embed(self, texts: list[str]) -> NDArray[np.float64]:
        """Return vectors of length 1, shape (k, width), float64."""
        return np.stack([self._embed(text) for text in texts])

    def _embed(self, text: str) -> NDArray[np.float64]:
        read = self.tokenizer.encode(text)
        given = {
            "input_ids": read.ids,
            "attention_mask": read.attention_mask,
            "token_type_ids": read.type_ids,
        }
        feeds = {name: np.array([values], np.int64) for name, values in given.items() if name in self.inputs}
        try:
            hidden = self.session.run(None, feeds)[0]
        except Exception as error:
            raise ModelError(f"ONNX Runtime failed to encode {len(read.ids)} tokens: {error}") from error
        vector: NDArray[np.float64] = hidden[0].astype(np.float64).mean(axis=0)
        return vector / np.linalg.norm(vector)


def find_encoder(name: str) -> Path:
    """Return the folder of an encoder: a path, or a name in the cache; Unavailable says how to make it."""
    for folder in (cache_folder() / FOLDER / name, Path(name)):
        if (folder / RECORD_NAME).is_file():
            return folder.resolve()
    raise Unavailable(f"the encoder {name!r} is not here; make it with: baco export --encoder {name}")


def identity(folder: Path) -> str:
    """Return an encoder's name and the SHA-256 of its record, which names every file's."""
    return f"{folder.name} {sha256_of(folder / RECORD_NAME)}"


@lru_cache(maxsize=2)
def open_encoder(folder: Path) -> Encoder:
    """Open an encoder once; BundleError for a damaged folder, Unavailable without ONNX Runtime."""
    record = read_record(folder)
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Unavailable(f"it needs ONNX Runtime ({error}); pip install 'baco[cpu]'.") from error
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(record.max_tokens)
    tokenizer.no_padding()
    try:
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"{folder}: ONNX Runtime cannot open model.onnx; export it again.") from error
    return Encoder(session, tokenizer, frozenset(each.name for each in session.get_inputs()))


def read_record(folder: Path) -> Record:
    """Return a folder's record after its files were checked; BundleError names the first bad one."""
    path = folder / RECORD_NAME
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except OSError as error:
        raise BundleError(f"{path}: cannot read the record ({error.strerror}).") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: malformed record: {error}; export the encoder again.") from error
    for name in ("model.onnx", "tokenizer.json"):
        if name not in record.files:
            raise BundleError(f"{path}: names no {name!r}; export the encoder again.")
    for name, file in record.files.items():
        there = inside(folder, name)
        if not there.is_file() or sha256_of(there) != file.sha256:
            raise BundleError(f"{folder}: {name!r} is missing or not what was exported; export it again.")
    return record
