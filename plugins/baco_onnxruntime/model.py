"""An ONNX decoder as a model of BACo: what graphs of all kinds have in common."""

from __future__ import annotations

import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakSet

import numpy as np

from baco_core.bundle import ModelFiles
from baco_core.errors import ContextError, ModelError
from baco_core.model import TokenSequence
from baco_core.rows import Rows
from baco_onnxruntime.exactness import Verdict, known, probed
from baco_onnxruntime.files import mapped_bytes
from baco_onnxruntime.rounding import MIN_CHUNK, Rounding
from baco_onnxruntime.sequence import OnnxSequence
from baco_onnxruntime.session import Session

MAX_LOGITS_BYTES = 64 * 2**20
"""Most bytes the logits of one pass may take."""

SomeSequence = TypeVar("SomeSequence", bound=OnnxSequence)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the backend's options ask of its models."""

    prefill_chunk: int = 256
    careful: bool = True
    """Take every care that rows are equal to the bit however reading is cut."""


class OnnxModel(ABC):
    """Opens sequences of one graph. Several models may share a session, and threads a model."""

    ways: tuple[int, ...] = (2,)
    """What `fewest` may be without loss of exactness; the probe takes the first that is exact."""

    def __init__(self, session: Session, files: ModelFiles, needs: Needs, rounding: Rounding) -> None:
        """Raise ModelError when the graph's rows are not as wide as `files` says."""
        _check_width(session, files)
        self.session = session
        self.files = files
        self.needs = needs
        self.most_rows = max(MIN_CHUNK, MAX_LOGITS_BYTES // (4 * files.vocab_size))
        self.chunk = min(needs.prefill_chunk, self.most_rows)
        self._rounding = rounding
        self._forwards = 0
        self._seconds = 0.0
        self._sequences: WeakSet[OnnxSequence] = WeakSet()
        self._exact: bool | None = None if needs.careful else False
        self.fewest = 2 if needs.careful else 1
        """Rows that kernels outside of attention are given at least."""
        self._lock = threading.Lock()

    @property
    def vocab_size(self) -> int:
        """Width of a row of logits."""
        return self.files.vocab_size

    @property
    def context_limit(self) -> int | None:
        """The most tokens one sequence can hold; None when nobody set a limit."""
        return self.files.context_limit

    @property
    def forwards(self) -> int:
        """Passes run by this model, whatever they read; a pass over several sequences counts once."""
        return self._forwards

    @property
    def runtime_seconds(self) -> float:
        """Wall seconds spent inside the runtime so far."""
        return self._seconds

    @property
    def exact(self) -> bool:
        """Whether rows are equal to the bit however reading is cut, and in whatever company.

        Found by trying, once for each graph and processor (see baco_onnxruntime.exactness); the first
        question may take some seconds. Always False with the option `exact: false`.
        """
        if self._exact is None:
            self._settle(known(self) or probed(self))
        return bool(self._exact)

    def recall(self) -> None:
        """Take over what an earlier probe has found, if any.

        Where single rows are read as such the verdict decides how, so it must be there before the first.
        """
        if self._exact is not None:
            return
        found = known(self)
        if found is None and self.files.singly:
            found = probed(self)
        if found is not None:
            self._settle(found)

    def _settle(self, found: Verdict) -> None:
        self.fewest = found.fewest or self.fewest
        self._exact = found.fewest > 0

    def memory(self) -> Mapping[str, int]:
        """Return bytes by part, as `baco doctor --memory` shows them.

        `weights`: size of the graph's files, which are mapped into memory; `cache`: keys and values of
        all live sequences, with the room they have to grow; `cache_in_use`: the part of it that holds
        tokens. And `sequences`, their number.
        """
        held, used = self.cache_bytes()
        parts = {"weights": mapped_bytes(self.session.path), "cache": held, "cache_in_use": used}
        return {**parts, "sequences": len(self._sequences)}

    @abstractmethod
    def open(self) -> OnnxSequence:
        """Return an empty sequence."""

    @abstractmethod
    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        """Extend several sequences; all are checked before any is read, and all or none change."""

    @abstractmethod
    def cache_bytes(self) -> tuple[int, int]:
        """Return the bytes of all caches: held, and in use."""

    @abstractmethod
    def twin(self) -> OnnxModel:
        """Return a model of its own on the same session, outside the budget: it counts for itself."""

    def check(self, length: int, token_ids: Sequence[int], rows: int) -> list[int]:
        """Return the token ids as ints when a sequence of `length` tokens can read them, else raise."""
        new = [operator.index(token_id) for token_id in token_ids]
        if not new or not 0 <= rows <= len(new):
            raise ValueError(f"cannot return {rows} rows of {len(new)} tokens")
        wrong = next((token_id for token_id in new if not 0 <= token_id < self.vocab_size), None)
        if wrong is not None:
            raise ModelError(
                f"{self.session.path}: token id {wrong} is outside the vocabulary, "
                f"0 to {self.vocab_size - 1}; does the tokenizer belong to this model?"
            )
        limit = self.context_limit
        if limit is not None and length + len(new) > limit:
            raise ContextError(
                f"{self.session.path}: {length + len(new)} tokens ({length} of them read already) exceed "
                f"the context of {limit}; shorten the prompt or write fewer tokens."
            )
        return new

    def checked(
        self,
        kind: type[SomeSequence],
        sequences: Sequence[TokenSequence],
        token_ids: Sequence[Sequence[int]],
        rows: Sequence[int],
    ) -> list[tuple[SomeSequence, list[int], int]]:
        """Return what `extend_many` was asked to read; raise, before any work, what is wrong with it."""
        calls = list(zip((self._own(kind, one) for one in sequences), token_ids, rows, strict=True))
        if len({id(one) for one, _, _ in calls}) < len(calls):
            raise ValueError("a sequence is named twice")
        return [(one, self.check(one.length, ids, count), count) for one, ids, count in calls]

    def room(self, start: int) -> int:
        """Return how many tokens one pass may read after the first `start`."""
        border = self._rounding.border(start)
        room = self.chunk if self._rounding.chunk is None else min(self.chunk, self._rounding.chunk)
        return room if border is None else min(room, border - start)

    def opened(self, sequence: SomeSequence) -> SomeSequence:
        """Remember that a sequence lives, as long as it does."""
        with self._lock:
            self._sequences.add(sequence)
        return sequence

    def sequences(self) -> list[OnnxSequence]:
        """Return the sequences that live."""
        with self._lock:
            return list(self._sequences)

    def count(self, seconds: float) -> None:
        """Count one pass."""
        with self._lock:
            self._forwards += 1
            self._seconds += seconds

    def no_rows(self) -> Rows:
        """Return rows, but none of them."""
        return np.empty((0, self.vocab_size), np.float32)

    def _own(self, kind: type[SomeSequence], sequence: TokenSequence) -> SomeSequence:
        if not isinstance(sequence, kind) or getattr(sequence, "model", None) is not self:
            raise ValueError("a sequence does not belong to this model")
        return sequence


def _check_width(session: Session, files: ModelFiles) -> None:
    width = session.graph.vocab_size
    if width not in (None, files.vocab_size):
        raise ModelError(
            f"{session.path}: the graph's rows have {width} logits, but {files.vocab_size} were promised; "
            "export the model again."
        )
