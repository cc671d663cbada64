"""What logit rules measure: numbers of the untempered, unfiltered softmax of one row (DESIGN 3).

Both come from `baco_core.rows`, good to one part in a million, stable for logits of any finite size and
for entries of -inf, and computed once for all who ask about a row.
"""

from __future__ import annotations

import math

from baco_core import rows
from baco_core.errors import ModelError
from baco_core.rows import Logits


def top_probability(row: Logits) -> float:
    """Return the probability of the most probable token, in (0, 1]; `row` is (vocab_size,), float32.

    Raises ModelError when the row is no distribution (NaN, +inf, or -inf throughout).
    """
    return rows.top_probability(_checked(row))


def entropy(row: Logits) -> float:
    """Return the entropy in nats, in [0, ln vocab_size]; `row` is (vocab_size,), float32.

    Raises ModelError when the row is no distribution (NaN, +inf, or -inf throughout).
    """
    return rows.entropy(_checked(row))


def _checked(row: Logits) -> Logits:
    top = rows.largest(row)
    if not math.isfinite(top):
        raise ModelError(
            f"a row of logits is no distribution (its largest value is {top}); "
            "export the model again, or with a wider precision"
        )
    return row
