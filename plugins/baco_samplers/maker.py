"""Puts filters together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from baco_core.rows import Logits
from baco_samplers.filters import Ids

Filter = Callable[[Logits], Ids]
"""From the logits of some tokens, in order of token id, to the indices of those it keeps, ascending."""


def make_filter(filters: Sequence[Filter]) -> Callable[[Logits], Logits]:
    """Return a function that applies `filters` in order, each to what the one before has left.

    From a row, shape (vocab_size,), float32, it makes a new row with -inf for what is left out; without
    filters, a copy. After the first filter only what is left is looked at, not the whole row.
    """

    def apply(logits: Logits) -> Logits:
        if not filters:
            return logits.copy()
        ids = filters[0](logits)
        for keep in filters[1:]:
            ids = ids[keep(logits[ids])]
        row = np.full_like(logits, -np.inf)
        row[ids] = logits[ids]
        return row

    return apply
