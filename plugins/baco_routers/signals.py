"""What logit rules measure: numbers of the untempered, unfiltered softmax of one row (DESIGN 3).

Both run in float64, stable for logits of any finite size and for entries of -inf. They read a row in
blocks that stay in the processor's cache: a large vocabulary is four times faster so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from baco_core.errors import ModelError
from baco_core.rows import Logits

_BLOCK = 1 << 14
_NO_MASS = -1e4
"""Far below where exp gives zero (-746): entries of -inf go here, so that 0 times them is 0."""


def top_probability(row: Logits) -> float:
    """Return the probability of the most probable token, in (0, 1]; `row` is (vocab_size,), float32.

    Raises ModelError when the row is no distribution (NaN, +inf, or -inf throughout).
    """
    return 1.0 / sum(float(np.exp(shifted, out=shifted).sum()) for shifted in _blocks(row))


def entropy(row: Logits) -> float:
    """Return the entropy in nats, in [0, ln vocab_size]; `row` is (vocab_size,), float32.

    With s = logit - largest logit and Z = sum exp(s), H = ln Z - sum(s exp(s)) / Z.
    Raises ModelError when the row is no distribution (NaN, +inf, or -inf throughout).
    """
    total = expected = 0.0
    for shifted in _blocks(row):
        weights = np.exp(shifted)
        total += float(weights.sum())
        # not np.dot: its threads cost more than they give, and fight with those of the models
        expected += float(np.multiply(weights, shifted, out=weights).sum())
    return max(0.0, float(np.log(total)) - expected / total)


def _blocks(row: Logits) -> Iterator[NDArray[np.float64]]:
    """Yield logits minus the largest one, block by block, as new float64 arrays."""
    top = row.max()
    if not np.isfinite(top):
        raise ModelError(
            f"a row of logits is no distribution (its largest value is {top}); "
            "export the model again, or with a wider precision"
        )
    for start in range(0, row.size, _BLOCK):
        shifted = np.subtract(row[start : start + _BLOCK], top, dtype=np.float64)
        yield np.maximum(shifted, _NO_MASS, out=shifted)
