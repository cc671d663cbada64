"""Folders with a graph, a tokenizer and a record, as `baco export --encoder` and `--classifier` write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_core.bundle import FileRecord, inside, sha256_of
from baco_core.errors import BundleError, ModelError
from baco_core.paths import cache_folder
from baco_eval.metrics.metric import NotMeasured, Unavailable


class Record(Protocol):
    """What every such record says."""

    @property
    def max_tokens(self) -> int:
        """How many tokens the model reads of a text."""

    @property
    def files(self) -> Mapping[str, FileRecord]:
        """The files beside the record."""


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Kind:
    """`encoder` or `classifier`: the name of the record, of the cache's folder and of the command's flag."""

    noun: str

    @property
    def record_name(self) -> str:
        """The record's file."""
        return f"{self.noun}.json"

    def find(self, name: str) -> Path:
        """Return a model's folder: a path, or the last part of a name in the cache.

        Unavailable says how to make it.
        """
        cached = cache_folder() / f"{self.noun}s" / PurePosixPath(name.partition("@")[0]).name.lower()
        for folder in (Path(name), cached):
            if (folder / self.record_name).is_file():
                return folder.resolve()
        raise Unavailable(
            f"the {self.noun} {name!r} is not here; make it with: baco export --{self.noun} {name}"
        )

    def identity(self, name: str) -> str:
        """Return a model's name and the SHA-256 of its record, which names every file's."""
        folder = self.find(name)
        return f"{folder.name} {sha256_of(folder / self.record_name)}"

    def read(self, folder: Path, record_type: type[R]) -> R:
        """Return a folder's record after its files were checked; BundleError names the first bad one."""
        path = folder / self.record_name
        try:
            record = msgspec.json.decode(path.read_bytes(), type=record_type)
        except OSError as error:
            raise BundleError(f"{path}: cannot read the record ({error.strerror}).") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"{path}: malformed record: {error}; export the {self.noun} again.") from error
        for name in ("model.onnx", "tokenizer.json"):
            if name not in record.files:
                raise BundleError(f"{path}: names no {name!r}; export the {self.noun} again.")
        for name, file in record.files.items():
            there = inside(folder, name)
            if not there.is_file() or sha256_of(there) != file.sha256:
                raise BundleError(f"{folder}: {name!r} is missing or not what was exported; export it again.")
        return record


@dataclass(frozen=True, slots=True)
class Reader:
    """Gives one text at a time to a graph: what comes out does not depend on other texts."""

    session: Any
    tokenizer: Any
    inputs: frozenset[str]

    def answer(self, read: Any) -> NDArray[np.float32]:
        """Return the first output for a text that the tokenizer has read, without the batch axis.

        Raises NotMeasured for a text without tokens, ModelError where the graph cannot read it.
        """
        if not read.ids:
            raise NotMeasured("a text has no token that the model reads.")
        given = {
            "input_ids": read.ids,
            "attention_mask": read.attention_mask,
            "token_type_ids": read.type_ids,
            "position_ids": list(range(len(read.ids))),
        }
        feeds = {name: np.array([values], np.int64) for name, values in given.items() if name in self.inputs}
        try:
            found: NDArray[np.float32] = self.session.run(None, feeds)[0][0]
        except Exception as error:
            raise ModelError(f"ONNX Runtime failed to read {len(read.ids)} tokens: {error}") from error
        return found


def open_reader(folder: Path, record: Record) -> Reader:
    """Open the graph and the tokenizer; ModelError for a bad graph, Unavailable without ONNX Runtime."""
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
    return Reader(session, tokenizer, frozenset(each.name for each in session.get_inputs()))
