"""Contexts that have been read, kept for the next request that begins alike."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from baco_core.lane import WORTH, Prefix, common_length
from baco_core.model import Model, TokenSequence

LEAST = 128
"""Tokens that a kept context counts for at least: its caches come in pieces of some such size."""


class PrefixCache:
    """The contexts of a pair that were used last. Threads may share it.

    A context is kept from its first chunk on: what was read of one that nobody waits for any more is of
    use to the next that begins alike.
    """

    def __init__(self, size: int | None = None, tokens: int | None = None) -> None:
        """Keep `size` contexts and `tokens` tokens of them at most; None is no limit, 0 keeps nothing.

        A context counts for LEAST tokens or more. However long it is, the last context of each model stays:
        a conversation has one with each.
        """
        self._size = size
        self._tokens = tokens
        self._kept: list[Prefix] = []  # the one used last comes last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many contexts are kept."""
        return len(self._kept)

    def prefix(self, model: Model, token_ids: Sequence[int], max_new_tokens: int, name: str) -> Prefix:
        """Return a context that begins, as far as a kept one does, with what was read for that.

        The same tokens give the same rows to the bit only with an exact model, so with others nothing
        is kept; nor is what is sooner read than copied. Raises ContextError before any work.
        """
        if not model.exact or self._keeps_nothing or len(token_ids) <= WORTH:
            return Prefix(model, token_ids, max_new_tokens, name)
        return Prefix(model, token_ids, max_new_tokens, name, self._begin)

    @property
    def _keeps_nothing(self) -> bool:
        return self._size == 0 or self._tokens == 0

    def clear(self) -> None:
        """Keep none of them any longer."""
        with self._lock:
            self._kept.clear()

    def _begin(self, prefix: Prefix) -> TokenSequence | None:
        """Keep a context that is about to be read.

        Return a sequence that has read as much of it as any kept one, but the last token; None when the
        context itself has read as much.
        """
        with self._lock:
            kept = [one for one in self._kept if one.model is prefix.model and one is not prefix]
        best = max(kept, key=lambda one: _shared(one, prefix), default=None)
        length = _shared(best, prefix) if best else 0
        begun = best.copy(length) if best and length >= max(WORTH, prefix.length + 1) else None
        with self._lock:
            self._keep(prefix, best if begun else None)
        return begun

    def _keep(self, prefix: Prefix, source: Prefix | None) -> None:
        """Keep a context as the last used one but for the one it was begun from, or in place of that."""
        kept = [one for one in self._kept if one is not prefix and one is not source]
        if source and _shared(source, prefix) < len(source.token_ids) - 1:
            kept.append(source)  # it goes on in another way, or is still being read
        self._kept = self._within([*kept, prefix])

    def _within(self, kept: list[Prefix]) -> list[Prefix]:
        """Return those used last, as many as may be kept."""
        if self._tokens is not None:
            sums = list(accumulate(max(LEAST, len(one.token_ids)) for one in reversed(kept)))
            first = len(kept) - bisect_right(sums, self._tokens)
            last = {id(one.model): one for one in kept}  # of each model
            kept = [one for at, one in enumerate(kept) if at >= first or last[id(one.model)] is one]
        return kept if self._size is None else kept[-self._size :]


def _shared(kept: Prefix, prefix: Prefix) -> int:
    """Return how many tokens of a context a kept one has read; the last one is always read anew."""
    common = common_length(kept.token_ids, prefix.token_ids)
    return min(common, kept.length, len(prefix.token_ids) - 1)
