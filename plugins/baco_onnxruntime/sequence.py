"""A token history of one model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from baco_core.model import TokenSequence
from baco_core.rows import Rows


class Reading(NamedTuple):
    """What a call would do to a sequence; nothing has changed until the sequence becomes it."""

    rows: Rows
    tokens: list[int]
    passes: int


class OnnxSequence(ABC):
    """The tokens read so far."""

    def __init__(self, tokens: list[int]) -> None:
        self.tokens = tokens
        self._forwards = 0

    @property
    def length(self) -> int:
        """How many tokens have been read."""
        return len(self.tokens)

    @property
    def forwards(self) -> int:
        """Passes this sequence took part in."""
        return self._forwards

    def prefill(self, token_ids: Sequence[int]) -> Rows:
        """Read a context, or more of it, and return its last row (see baco_core.model.TokenSequence)."""
        return self.extend(token_ids)

    @abstractmethod
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        """Read `token_ids` and return the last `rows` rows (see baco_core.model.TokenSequence)."""

    @abstractmethod
    def fork(self, n: int) -> list[TokenSequence]:
        """Return `n` independent sequences that have read the same."""

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; takes no time."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot rewind a sequence of {self.length} tokens to {length}")
        del self.tokens[length:]

    def become(self, reading: Reading) -> Rows:
        """Make the sequence what `reading` says, and return its rows."""
        rows, self.tokens, passes = reading
        self._forwards += passes
        return rows

    @staticmethod
    def check_fork(n: int) -> None:
        """Raise ValueError unless a sequence can be forked `n` times."""
        if n < 0:
            raise ValueError(f"cannot fork a sequence {n} times")
