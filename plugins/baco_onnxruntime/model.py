"""An ONNX decoder as a model of BACo."""

from __future__ import annotations

import operator
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baco_core.bundle import ModelFiles
from baco_core.errors import ContextError, ModelError
from baco_core.model import TokenSequence
from baco_core.rows import Rows
from baco_onnxruntime.sequence import OnnxSequence
from baco_onnxruntime.session import Cache, Session

MAX_LOGITS_BYTES = 64 * 2**20
"""Most bytes the logits of one pass may take: an export computes a row for every token it reads."""

MIN_CHUNK = 2

ROUNDING_LENGTHS = {64: 128, 32: 256, 16: 512}
"""A pass that ends at one of these lengths or before rounds unlike one that ends behind it, in graphs
whose heads are wider than the size named: the CPU's matrix product (MLAS, as of ONNX Runtime 1.32) sums
queries times keys in blocks, and widens them where there are so few keys."""


class OnnxModel:
    """Opens sequences of one graph. Several models may share a session, and threads a model.

    With `exact`, no pass reads a single token, since kernels for one row round differently from
    those for several. A lone token is read twice in one pass: the second is a dummy behind it, which
    cannot change its row, and the cache of that pass is dropped. The next call reads the lone token
    again together with what follows, so no cache is ever cut for a dummy. And no pass crosses a
    length at which the kernels change how they round (ROUNDING_LENGTHS).
    """

    def __init__(self, session: Session, files: ModelFiles, prefill_chunk: int, exact: bool) -> None:
        """Raise ModelError when the graph's rows are not as wide as `files` says."""
        _check_width(session, files)
        self.session = session
        self.exact = exact
        self.chunk = min(prefill_chunk, max(MIN_CHUNK, MAX_LOGITS_BYTES // (4 * files.vocab_size)))
        self._borders = _borders(session, files.context_limit) if exact else []
        self._files = files
        self._forwards = 0
        self._lock = threading.Lock()

    @property
    def vocab_size(self) -> int:
        """Width of a row of logits."""
        return self._files.vocab_size

    @property
    def context_limit(self) -> int | None:
        """The most tokens one sequence can hold; None when nobody set a limit."""
        return self._files.context_limit

    @property
    def forwards(self) -> int:
        """Passes run by this model's sequences, a chunk counting as one."""
        return self._forwards

    def open(self) -> OnnxSequence:
        """Return an empty sequence."""
        return OnnxSequence(self, [], self.session.empty)

    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        """Extend several sequences; all are checked before any is read, and all or none change.

        They are read one after the other: a pass over several sequences of unlike lengths needs
        masks and positions per sequence, and its kernels round unlike those for one, so rows would
        depend on the company a sequence keeps.
        """
        calls = list(zip(map(self._own, sequences), token_ids, rows, strict=True))
        if len({id(sequence) for sequence, _, _ in calls}) < len(calls):
            raise ValueError("a sequence is named twice")
        checked = [(one, self.check(one.length, ids, count), count) for one, ids, count in calls]
        readings = [one.read(ids, count) for one, ids, count in checked]
        return [one.commit(reading) for (one, _, _), reading in zip(checked, readings, strict=True)]

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

    def room(self, start: int) -> int:
        """Return how many tokens one pass may read after the first `start`."""
        border = next((length for length in self._borders if length > start), start + self.chunk)
        return min(self.chunk, border - start)

    def forward(
        self, tokens: list[int], start: int, stop: int, cache: Cache, wanted: int
    ) -> tuple[Rows, Cache]:
        """Read `tokens[start:stop]` after `cache`, which holds `start` of them.

        Returns the last `wanted` rows and a cache, which holds `stop` tokens or, after a lone token,
        fewer.
        """
        if self.exact and stop - start == 1:
            return self._forward_lone(tokens, start, cache, wanted)
        keep = max(wanted, MIN_CHUNK) if self.exact else max(wanted, 1)
        logits, longer = self.session.run(tokens[start:stop], cache, keep)
        return self._counted(logits, wanted), longer

    def _forward_lone(self, tokens: list[int], start: int, cache: Cache, wanted: int) -> tuple[Rows, Cache]:
        if self.room(start) > 1 and not wanted:
            return self._no_rows(), cache  # it will be read together with what follows
        if self.room(start) > 1:
            logits = self.session.peek([tokens[start]] * 2, cache, 2)
            return self._counted(logits[:-1], 1), cache
        # A dummy behind the last token before a border would cross it: read the one before again.
        before = self.session.cut(cache, start - 1) if start else cache
        logits, longer = self.session.run(tokens[before.length : start + 1], before, 2)
        return self._counted(logits, wanted), longer

    def _counted(self, logits: NDArray[Any], wanted: int) -> Rows:
        with self._lock:
            self._forwards += 1
        return np.array(logits[len(logits) - wanted :], np.float32)

    def _no_rows(self) -> Rows:
        return np.empty((0, self.vocab_size), np.float32)

    def _own(self, sequence: TokenSequence) -> OnnxSequence:
        if not isinstance(sequence, OnnxSequence) or sequence.model is not self:
            raise ValueError("a sequence does not belong to this model")
        return sequence


def _borders(session: Session, context_limit: int | None) -> list[int]:
    """Return the lengths no pass may cross, ascending; the end of the context is the last of them."""
    width = max(tensor.empty_shape[-1] for tensor in session.graph.cache)
    lengths = [length for length, fine_up_to in ROUNDING_LENGTHS.items() if width > fine_up_to]
    return sorted([*lengths, *([context_limit] if context_limit is not None else [])])


def _check_width(session: Session, files: ModelFiles) -> None:
    width = session.graph.vocab_size
    if width not in (None, files.vocab_size):
        raise ModelError(
            f"{files.onnx}: the graph's rows have {width} logits, but {files.vocab_size} were promised; "
            "export the model again."
        )
