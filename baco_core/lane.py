"""A lane: one model following the text, reading only what it has not read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from baco_core.errors import ContextError, ModelError
from baco_core.exchange import Transcript
from baco_core.model import Model, TokenSequence
from baco_core.rows import Logits


class Prefix:
    """A context that is read once, by whoever needs it first, and forked for every sample."""

    def __init__(self, model: Model, token_ids: Sequence[int], max_new_tokens: int, name: str) -> None:
        """Refuse, before any work, a context that leaves no room for `max_new_tokens` (ContextError)."""
        limit = model.context_limit
        if limit is not None and len(token_ids) + max_new_tokens > limit:
            raise ContextError(
                f"{name} model: {len(token_ids)} prompt tokens and {max_new_tokens} new ones exceed its "
                f"context of {limit}; shorten the prompt or lower decode.max_new_tokens."
            )
        self.model = model
        self.name = name
        self.token_ids = tuple(token_ids)
        self._read: tuple[TokenSequence, Logits] | None = None

    def fork(self) -> tuple[TokenSequence, Logits, int]:
        """Return a sequence of its own that has read the context, the row after it, and passes run now."""
        passes = 0
        if self._read is None:
            sequence = self.model.open()
            self._read = sequence, self.checked(sequence.extend(self.token_ids)[-1])
            passes = sequence.forwards
        sequence, row = self._read
        return sequence.fork(1)[0], row, passes

    def checked(self, row: Logits) -> Logits:
        """Return a row made read-only; ModelError, naming the source, when it is no distribution."""
        row = np.ascontiguousarray(row, np.float32)
        if not np.isfinite(row.max()):  # NaN anywhere, +inf, or -inf throughout
            raise ModelError(
                f"{self.name} model: a row of logits is no distribution (its largest value is {row.max()}); "
                "export the model again, or with a wider precision."
            )
        row.setflags(write=False)
        return row


class Lane:
    """One model as it follows one text. Reads when `row` is asked for, in one chunk, and not before."""

    def __init__(self, prefix: Prefix, transcript: Transcript) -> None:
        self.transcript = transcript
        self._prefix = prefix
        self._context_forwards = 0
        self._sequence: TokenSequence | None = None
        self._row: Logits | None = None
        self._read: list[int] = []  # generated tokens the sequence holds

    @property
    def forwards(self) -> int:
        """Forward passes this lane caused so far; those on the context count for the lane that read it."""
        return self._context_forwards + (self._sequence.forwards if self._sequence else 0)

    @property
    def full(self) -> bool:
        """Whether the model's context may have no room for one more token."""
        limit = self._prefix.model.context_limit
        return limit is not None and len(self._prefix.token_ids) + self.transcript.most_tokens() >= limit

    def row(self) -> Logits:
        """Return the row after the whole text, shape (vocab_size,), float32, read-only."""
        self._open()
        self._catch_up(self.transcript.tokens())
        assert self._row is not None  # noqa: S101  (for the type checker: _open sets it)
        return self._row

    def _open(self) -> None:
        if self._sequence is None:
            self._sequence, self._row, self._context_forwards = self._prefix.fork()

    def _catch_up(self, tokens: list[int]) -> None:
        """Read what is new in `tokens`; what was read under another tokenisation is taken back first."""
        if tokens == self._read:
            return
        assert self._sequence is not None  # noqa: S101  (for the type checker: row opens first)
        kept = min(_common(self._read, tokens), len(tokens) - 1)
        if kept < len(self._read):
            self._sequence.rewind(len(self._prefix.token_ids) + kept)
        self._row = self._prefix.checked(self._sequence.extend(tokens[kept:])[-1])
        self._read = list(tokens)


def _common(left: list[int], right: list[int]) -> int:
    """Return how many leading tokens are equal; quick when `right` only goes on where `left` ends."""
    if right[: len(left)] == left:
        return len(left)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
