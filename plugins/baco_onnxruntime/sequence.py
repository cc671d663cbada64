"""A token history with the KV cache of (nearly) all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from baco_core.model import TokenSequence
from baco_core.rows import Rows
from baco_onnxruntime.session import Cache

if TYPE_CHECKING:
    from baco_onnxruntime.model import OnnxModel


class Reading(NamedTuple):
    """What a call would do to a sequence; nothing has changed until it is committed."""

    rows: Rows
    tokens: list[int]
    cache: Cache
    passes: int


class OnnxSequence:
    """The tokens read so far, and the cache of a prefix of them.

    The cache may be shorter than the history (a lone token is read again with the next one, see
    OnnxModel) or longer (after a rewind; it is cut when something else is read).
    """

    def __init__(self, model: OnnxModel, tokens: list[int], cache: Cache) -> None:
        self.model = model
        self._tokens = tokens
        self._cache = cache
        self._forwards = 0

    @property
    def length(self) -> int:
        """How many tokens have been read."""
        return len(self._tokens)

    @property
    def forwards(self) -> int:
        """Passes this sequence has run."""
        return self._forwards

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        """Read `token_ids` and return the last `rows` rows (see baco_core.model.TokenSequence)."""
        new = self.model.check(self.length, token_ids, rows)
        return self.commit(self.read(new, rows))

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot rewind a sequence of {self.length} tokens to {length}")
        del self._tokens[length:]

    def fork(self, n: int) -> list[TokenSequence]:
        """Return `n` copies that share the cache until they read on."""
        if n < 0:
            raise ValueError(f"cannot fork a sequence {n} times")
        return [OnnxSequence(self.model, list(self._tokens), self._cache) for _ in range(n)]

    def read(self, new: list[int], rows: int) -> Reading:
        """Return what reading the checked tokens `new` gives; the sequence stays as it is."""
        tokens = self._tokens + new
        cache = self.model.session.cut(self._cache, len(self._tokens))
        blocks = [np.empty((0, self.model.vocab_size), np.float32)]
        at, passes = cache.length, 0
        while at < len(tokens):
            start, at = at, min(at + self.model.room(at), len(tokens))
            wanted = max(0, min(at - start, at - (len(tokens) - rows)))
            block, longer = self.model.forward(tokens, start, at, cache, wanted)
            passes += wanted > 0 or longer is not cache  # a lone token nobody wants a row of waits
            blocks, cache = [*blocks, block], longer
        return Reading(np.concatenate(blocks), tokens, cache, passes)

    def commit(self, reading: Reading) -> Rows:
        """Make the sequence what `reading` says, and return its rows."""
        rows, self._tokens, self._cache, passes = reading
        self._forwards += passes
        return rows
