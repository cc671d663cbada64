"""Contexts that have been read, kept for the next request that begins alike."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from baco_core.lane import Prefix, common_length
from baco_core.model import Model, TokenSequence

WORTH = 8
"""Tokens two contexts must have in common before reading them again costs more than copying them."""


class PrefixCache:
    """The last few contexts of a pair. Threads may share it."""

    def __init__(self, size: int) -> None:
        self._kept: deque[Prefix] = deque(maxlen=size)
        self._lock = threading.Lock()

    def prefix(self, model: Model, token_ids: Sequence[int], max_new_tokens: int, name: str) -> Prefix:
        """Return a context that begins, as far as a kept one does, with what was read for that.

        The same tokens give the same rows to the bit only with an exact model, so with others nothing
        is kept. Raises ContextError before any work.
        """
        begun = self._begun(model, list(token_ids)) if model.exact else None
        prefix = Prefix(model, token_ids, max_new_tokens, name, begun)
        if model.exact:
            with self._lock:
                self._kept.append(prefix)
        return prefix

    def _begun(self, model: Model, token_ids: list[int]) -> TokenSequence | None:
        """Return a sequence that has read as much of `token_ids` as any kept one, but the last token."""
        with self._lock:
            kept = [(prefix, sequence) for prefix in self._kept if (sequence := prefix.sequence)]
        same = [(prefix, sequence) for prefix, sequence in kept if prefix.model is model]
        best = max(same, key=lambda pair: common_length(list(pair[0].token_ids), token_ids), default=None)
        if best is None:
            return None
        length = min(common_length(list(best[0].token_ids), token_ids), len(token_ids) - 1)
        if length < WORTH:
            return None
        (begun,) = best[1].fork(1)
        begun.rewind(length)
        return begun
