"""What a model thinks of a given text: log-probabilities of its tokens, read in a sequence of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from baco_core.decode import Step
from baco_core.lane import Reading
from baco_core.model import Model
from baco_core.pick import log_softmax_at
from baco_core.rows import Rows
from baco_core.writer import top_tokens

MOST_LOGITS = 2**22
"""Logits that one chunk may ask for."""
MOST_TOKENS = 32
"""Tokens of a chunk: some models read them one by one."""


@dataclass(frozen=True, slots=True)
class Score:
    """ln p of a token after those before it, and the likeliest tokens there as (id, ln p).

    The first token of a text follows nothing, so it has neither.
    """

    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Scoring:
    """Reads a text for its scores. A scheduler goes on with it as with any reader."""

    def __init__(self, model: Model, token_ids: Sequence[int], top: int) -> None:
        """Score `token_ids`; `top` is how many likely tokens a score has."""
        self._model = model
        self._token_ids = tuple(token_ids)
        self._top = top
        self._size = max(1, min(MOST_TOKENS, MOST_LOGITS // model.vocab_size))
        self._sequence = model.open()
        self._busy = False
        self.scores = [Score()]
        """Of the tokens so far, in order."""
        self.ended = len(self._token_ids) == 1
        """Whether there is nothing left to read."""
        self.deciding: Future[Any] | None = None

    def advance(self) -> list[Step]:
        """Return nothing: it writes no text."""
        return []

    def waits_for(self, model: Model) -> bool:
        """Return whether this model is to read more."""
        return model is self._model and not self._busy and not self.ended

    def close(self) -> None:
        """Read no more."""
        self.ended = True

    def wants(self, model: Model, texts: int) -> Iterator[Reading]:
        """Yield the chunk that is to be read next by this model."""
        if model is not self._model or self._busy or self.ended:
            return
        first = self._sequence.length
        chunk = self._token_ids[first : min(first + self._size, len(self._token_ids) - 1)]
        self._busy = True
        yield Reading(model, self._sequence, chunk, len(chunk), self._take)

    def _take(self, rows: Rows) -> None:
        self._busy = False
        for row in rows:
            token_id = self._token_ids[len(self.scores)]
            top = top_tokens(row, self._top) if self._top else ()
            self.scores.append(Score(float(log_softmax_at(row, [token_id])[0]), top))
        self.ended = self.ended or len(self.scores) == len(self._token_ids)
