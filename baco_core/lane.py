"""A lane: one model following one text, reading only what it has not read."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from baco_core.errors import ContextError, ModelError
from baco_core.exchange import Transcript
from baco_core.model import Model, TokenSequence
from baco_core.rows import Logits, Rows, largest

CHUNK = 256
"""Tokens of a context that are read at once; then other texts go on, and whoever cancels is heard. As many
as a backend reads in one pass or in two (docs/backend.md), so that a context takes no more passes for it."""

WORTH = 8
"""Tokens two contexts must have in common before reading them again costs more than copying them."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What one sequence is to read now. An engine runs it and hands the rows to `take`."""

    model: Model
    sequence: TokenSequence
    token_ids: Sequence[int]
    rows: int
    """How many of the last rows are wanted."""
    take: Callable[[Rows], None]
    context: Prefix | None = None
    """The context that this is a chunk of; its last row is wanted."""


class Prefix:
    """A context that is read once, by whoever needs it first, and forked for every sample.

    It is read in chunks, which end at multiples of CHUNK: so an inexact model reads it alike every time.
    """

    def __init__(
        self,
        model: Model,
        token_ids: Sequence[int],
        max_new_tokens: int,
        name: str,
        look_up: Callable[[Prefix], TokenSequence | None] | None = None,
    ) -> None:
        """Refuse, before any work, a context that leaves no room for `max_new_tokens` (ContextError).

        `look_up` is asked, when reading begins, for a sequence of its own that has read more of the context
        than this one has, if there is one.
        """
        limit = model.context_limit
        if limit is not None and len(token_ids) + max_new_tokens > limit:
            raise ContextError(
                f"{name} model: {len(token_ids)} prompt tokens and {max_new_tokens} new ones exceed its "
                f"context of {limit}; shorten the prompt or lower decode.max_new_tokens."
            )
        self.model = model
        self.name = name
        self.token_ids = tuple(token_ids)
        self.begun = 0
        """How many tokens had been read for others when reading began."""
        self.lock = threading.Lock()
        """Held while a chunk is read, or what was read is copied for others."""
        self._look_up = look_up
        self._sequence: TokenSequence | None = None
        self._row: Logits | None = None
        self._passes = 0
        self._busy = False

    @property
    def length(self) -> int:
        """How many tokens have been read, by whomever."""
        return self._sequence.length if self._sequence else 0

    def reading(self) -> Reading | None:
        """Return the chunk that is to be read next; None when there is none, or while one is being read.

        Raises what a model raises that cannot open a sequence.
        """
        if self._busy or self._row is not None:
            return None
        sequence = self._sequence
        if sequence is None or sequence.length == self.begun:
            sequence = self._found() or sequence or self.model.open()
            self._sequence, self.begun = sequence, sequence.length
        self._busy, first = True, sequence.length
        last = min(len(self.token_ids), (first // CHUNK + 1) * CHUNK)
        return Reading(self.model, sequence, self.token_ids[first:last], 1, self._take, context=self)

    def _found(self) -> TokenSequence | None:
        return self._look_up(self) if self._look_up else None

    def gains_from(self, other: Prefix) -> bool:
        """Return whether to wait for another context spares at least half of what is to be read of this."""
        if self._look_up is None or other.model is not self.model or self.length > self.begun:
            return False  # only before its first chunk does it look for what others have read
        common = min(common_length(self.token_ids, other.token_ids), len(self.token_ids) - 1)
        return common - self.length >= max(WORTH, (len(self.token_ids) - self.length) // 2)

    def put_off(self) -> None:
        """Take back what `reading` returned: it is not to be read now, and may be asked for again.

        Before its first chunk it then looks again for what others have read meanwhile.
        """
        self._busy = False

    def _take(self, rows: Rows) -> None:
        self._busy = False
        assert self._sequence is not None  # noqa: S101  (for the type checker: it was read)
        if self.length == len(self.token_ids):
            self._passes = self._sequence.forwards
            self._row = self.checked(rows[-1])

    def fork(self) -> tuple[TokenSequence, Logits, int] | None:
        """Return a sequence that has read the context, the row after it, and the passes that cost.

        The passes count for the first who asks. None while the context has not been read to its end.
        """
        if self._row is None or self._sequence is None:
            return None
        passes, self._passes = self._passes, 0
        return self._sequence.fork(1)[0], self._row, passes

    def copy(self, length: int) -> TokenSequence | None:
        """Return a sequence that has read the first `length` tokens, or what there is of them.

        For any thread: None while another one reads.
        """
        if not self.lock.acquire(blocking=False):
            return None
        try:
            if self._sequence is None:
                return None
            (copy,) = self._sequence.fork(1)
        finally:
            self.lock.release()
        copy.rewind(min(length, copy.length))
        return copy

    def checked(self, row: Logits) -> Logits:
        """Return a row made read-only; ModelError, naming the source, when it is no distribution."""
        row = np.ascontiguousarray(row, np.float32)
        row.setflags(write=False)
        top = largest(row)
        if not math.isfinite(top):  # NaN anywhere, +inf, or -inf throughout
            raise ModelError(
                f"{self.name} model: a row of logits is no distribution (its largest value is {top}); "
                "export the model again, or with a wider precision."
            )
        return row


class Lane:
    """One model as it follows one text, and the rows it has for it.

    Rows are a pure function of the tokens read. So a lane may read ahead, tokens that are only
    guessed: where the text comes to be what was guessed its rows are there, and where it does not
    they are forgotten. That is all there is to speculation; who writes what never depends on it.
    """

    def __init__(self, prefix: Prefix, transcript: Transcript) -> None:
        self.transcript = transcript
        self.prefix = prefix
        self.busy = False
        """Whether a reading of this lane was handed out and has not been taken yet."""
        self._context_forwards = 0
        self._sequence: TokenSequence | None = None
        self._read: list[int] = []  # tokens after the context that the sequence holds, guessed ones too
        self._rows: dict[int, Logits] = {}  # by how many of these tokens they follow

    @property
    def forwards(self) -> int:
        """Forward passes this lane took part in; those on the context count for the first lane on it."""
        return self._context_forwards + (self._sequence.forwards if self._sequence else 0)

    @property
    def full(self) -> bool:
        """Whether the model's context may have no room for one more token."""
        limit = self.prefix.model.context_limit
        return limit is not None and len(self.prefix.token_ids) + self.transcript.most_tokens() >= limit

    @property
    def ready(self) -> bool:
        """Whether the row after the whole text is there."""
        return self.row_after(self.transcript.tokens()) is not None

    def row(self) -> Logits:
        """Return the row after the whole text, shape (vocab_size,), float32, read-only.

        Raises LookupError when it has not been read yet.
        """
        row = self.row_after(self.transcript.tokens())
        if row is None:
            raise LookupError(f"{self.prefix.name} model: the row after the text has not been read")
        return row

    def row_after(self, tokens: Sequence[int]) -> Logits | None:
        """Return the row after `tokens` (a list) when it is there."""
        if not self._open():
            return None
        row = self._rows.get(len(tokens))
        return row if row is not None and self._read[: len(tokens)] == tokens else None

    def reading(self, target: Sequence[int]) -> Reading | None:
        """Return what to read so that every row from the end of the text to that of `target` is there.

        `target` begins with the text's tokens; what follows is guessed. None when nothing is missing,
        or when this lane or its prefix is being read.
        """
        if self.busy:
            return None
        if not self._open():
            return self.prefix.reading()
        return self._extension(list(target), len(self.transcript.tokens()))

    def _extension(self, target: list[int], first: int) -> Reading | None:
        agreed = common_length(self._read, target)
        known = {count: row for count, row in self._rows.items() if first <= count <= agreed}
        missing = next((count for count in range(first, len(target) + 1) if count not in known), None)
        if missing is None:
            return None
        kept = min(agreed, missing - 1)  # a row comes from reading the token before it
        sequence = self._sequence
        assert sequence is not None  # noqa: S101  (for the type checker: reading opens first)
        if kept < len(self._read):
            sequence.rewind(len(self.prefix.token_ids) + kept)
        self._read, self._rows, self.busy = target, known, True

        def take(rows: Rows) -> None:
            self.busy = False
            for count, row in enumerate(rows, missing):
                self._rows[count] = self.prefix.checked(row)

        return Reading(self.prefix.model, sequence, target[kept:], len(target) - missing + 1, take)

    def within_context(self, target: list[int]) -> list[int]:
        """Return a guessed text, cut where the context ends."""
        limit = self.prefix.model.context_limit
        return target if limit is None else target[: limit - len(self.prefix.token_ids)]

    def _open(self) -> bool:
        if self._sequence is None and (forked := self.prefix.fork()):
            self._sequence, self._rows[0], self._context_forwards = forked
        return self._sequence is not None


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many leading tokens of two lists, or two tuples, are equal: by halves, which is quick."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:  # the first `low` are equal, the first `high` are not
        middle = (low + high) // 2
        low, high = (middle, high) if left[low:middle] == right[low:middle] else (low, middle)
    return low
