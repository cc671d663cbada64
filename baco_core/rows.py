"""Rows of logits: what models give, and all that routers and samplers see of them.

Several readers want the same number of a row: a router its largest probability, a filter its
normaliser, an event the log-probability of what was picked. So what has been computed of a row is kept
as long as the row lives. Only of rows that are read-only, as the core hands them out: such a row, and
the memory behind it, never changes. Threads may share rows: a fact is set whole, or not there yet.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
"""One row of next-token logits, shape (vocab_size,), float32."""

Rows = NDArray[np.float32]
"""Several rows, shape (k, vocab_size), float32; row j follows the j-th of the last k tokens read."""

_BLOCK = 1 << 16
_NO_MASS = np.float32(-104)
"""Where exp gives zero in float32: entries of -inf go here, so that 0 times them is 0."""


@dataclass(slots=True)
class _Facts:
    """What is known of one row; None is not known yet."""

    top: float | None = None
    total: float | None = None
    """Sum of exp(logit - top)."""
    mean: float | None = None
    """Mean of logit - top under the softmax."""
    origin: tuple[Logits, list[int]] | None = None
    """The row this one is a copy of, and the tokens it lacks."""


_known: dict[int, tuple[weakref.ref[Logits], _Facts]] = {}


def largest(row: Logits) -> float:
    """Return the largest logit of a row, shape (vocab_size,), float32; NaN where there is one."""
    return _top(row, _facts(row))


def log_normaliser(row: Logits) -> float:
    """Return ln sum exp(logit); the largest logit must be finite.

    Weights are float32 and summed block by block: the sum is good to one part in a million, and a
    function of the row alone.
    """
    facts = _facts(row)
    return _top(row, facts) + math.log(_total(row, facts))


def top_probability(row: Logits) -> float:
    """Return the probability of the most probable token, in (0, 1]; as exact as `log_normaliser`."""
    return 1.0 / _total(row, _facts(row))


def entropy(row: Logits) -> float:
    """Return the entropy of the softmax in nats, in [0, ln vocab_size]; as exact as `log_normaliser`.

    With s = logit - largest logit and Z = sum exp(s), H = ln Z - sum(s exp(s)) / Z.
    """
    facts = _facts(row)
    if facts.mean is None:
        total, expected = _total_and_expected(row, _top(row, facts))
        facts.mean = expected / total
        facts.total = total if facts.origin is None else facts.total
    return min(max(0.0, math.log(_total(row, facts)) - facts.mean), math.log(row.size))


def without(row: Logits, token_ids: Sequence[int]) -> Logits:
    """Return a row without some tokens: a copy, read-only, with -inf for them.

    Its normaliser is that of the row less their weights, where they weigh less than all others.
    """
    banned = sorted(set(token_ids))
    copy = row.copy()
    copy[banned] = -np.inf
    copy.setflags(write=False)
    _facts(copy).origin = row, banned
    return copy


def _facts(row: Logits) -> _Facts:
    """Return what is known of a row; nothing of one that may still change."""
    if row.flags.writeable:
        return _Facts()
    key = id(row)
    known = _known.get(key)
    if known is not None and known[0]() is row:
        return known[1]
    facts = _Facts()
    _known[key] = weakref.ref(row, lambda _: _known.pop(key, None)), facts
    return facts


def _top(row: Logits, facts: _Facts) -> float:
    if facts.top is None:
        facts.top = float(row.max())
    return facts.top


def _total(row: Logits, facts: _Facts) -> float:
    if facts.total is None and facts.origin is not None:
        facts.total = _rest(*facts.origin)
    if facts.total is None:
        facts.total = sum(float(np.exp(part, out=part).sum()) for part in _blocks(row, _top(row, facts)))
    return facts.total


def _rest(row: Logits, banned: list[int]) -> float | None:
    """Return the total of a row without some tokens; None where it must be summed anew."""
    facts = _facts(row)
    top = _top(row, facts)
    if not math.isfinite(top):
        return None
    with np.errstate(over="ignore"):
        weights = np.exp(row[banned] - np.float32(top))
    total = _total(row, facts)
    rest = total - float(weights.sum())
    return rest if weights.max() < 1 and rest > total / 2 else None


def _total_and_expected(row: Logits, top: float) -> tuple[float, float]:
    total = expected = 0.0
    for shifted in _blocks(row, top):
        np.maximum(shifted, _NO_MASS, out=shifted)
        weights = np.exp(shifted)
        total += float(weights.sum())
        # not np.dot: its threads cost more than they give, and fight with those of the models
        expected += float(np.multiply(weights, shifted, out=weights).sum())
    return total, expected


def _blocks(row: Logits, top: float) -> Iterator[Logits]:
    """Yield logits minus the largest one, block by block, as new arrays."""
    for start in range(0, row.size, _BLOCK):
        with np.errstate(over="ignore"):  # what is below the largest number has no weight
            shifted = row[start : start + _BLOCK] - np.float32(top)
        yield shifted
