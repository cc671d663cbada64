"""Filters: which tokens of a distribution may be picked. Pure functions of arrays.

Each takes logits, shape (n,), float32, of any subset of a vocabulary in order of token id, and returns
the indices of those it keeps, ascending. The distribution is their softmax, untempered and renormalised
over the subset. Ties go to the lower index, that is the lower token id. At least one token is kept. A
setting that keeps everything is named with each.

None sorts the whole array where less will do: a cheap bound finds the tokens that can matter. The
normaliser and the entropy of a row are those of `baco_core.rows`, good to one part in a million.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from baco_core.rows import Logits, entropy, largest, log_normaliser

Ids = NDArray[np.intp]
Numbers = NDArray[np.float64]

_MOST_BLOCKS = 64
_FEW = 256
_MOST_CUTS = 24
_ROUNDING = 1e-9
_FIRST_GUESS = 1e-4


def keep_top_k(logits: Logits, k: int) -> Ids:
    """Keep the `k` largest logits, exactly k of them; 0 keeps everything.

    Source: Fan et al. 2018, arXiv 1805.04833.
    """
    if k == 0 or k >= logits.size:
        return np.arange(logits.size)
    near = np.flatnonzero(logits >= _at_most_kth_largest(logits, k))
    values = logits[near]
    return near[_largest(values, k, np.partition(values, values.size - k)[values.size - k])]


def keep_typical(logits: Logits, mass: float) -> Ids:
    """Keep the fewest tokens whose surprise is nearest the entropy and that hold `mass`; 1 keeps everything.

    Tokens in order of |-ln p - H|, H = -sum p ln p, until their probabilities sum to `mass` or more.
    The most probable token may go. Source: Meister et al. 2022, "Locally typical sampling", arXiv
    2202.00666, section 4.
    """
    if mass >= 1:
        return np.arange(logits.size)
    log_total = log_normaliser(logits)
    typical = log_total - entropy(logits)  # the logit of a token whose surprise is the entropy
    # How far the tokens that matter must be taken bounds how far the others can be.
    heavy, p = _heavy(logits, log_total, mass)
    distance = np.abs(logits[heavy].astype(np.float64) - typical)
    bound = distance[_fewest(distance, p, mass)].max()
    near = np.flatnonzero((logits >= typical - bound - _ROUNDING) & (logits <= typical + bound + _ROUNDING))
    values = logits[near].astype(np.float64)
    return np.sort(near[_fewest(np.abs(values - typical), np.exp(values - log_total), mass)])


def keep_top_p(logits: Logits, mass: float) -> Ids:
    """Keep the fewest most probable tokens that hold `mass`; 1 keeps everything.

    Tokens in order of falling p until their probabilities sum to `mass` or more. Source: Holtzman et
    al. 2020, arXiv 1904.09751, equation 2.
    """
    if mass >= 1:
        return np.arange(logits.size)
    log_total = log_normaliser(logits)
    heavy, _ = _heavy(logits, log_total, mass)
    values = logits[heavy]
    falling = np.sort(values)[::-1]
    held = np.cumsum(np.exp(falling.astype(np.float64) - log_total))
    count = min(int(np.searchsorted(held, mass)) + 1, falling.size)
    return heavy[_largest(values, count, falling[count - 1])]


def keep_min_p(logits: Logits, fraction: float) -> Ids:
    """Keep tokens with p >= `fraction` times the largest p; 0 keeps everything.

    As a bound on logits: l >= largest l + ln(fraction). Source: Nguyen et al. 2024, arXiv 2407.01082.
    """
    if fraction == 0:
        return np.arange(logits.size)
    return np.flatnonzero(logits >= largest(logits) + math.log(fraction))


def _at_most_kth_largest(logits: Logits, k: int) -> np.float32:
    """Return a bound that at least k logits reach: the k-th largest of the maxima of many blocks."""
    blocks = min(_MOST_BLOCKS, logits.size // (4 * k))
    if blocks < 2:
        return np.float32(-np.inf)
    width = logits.size // blocks
    maxima = logits[: width * blocks].reshape(blocks, width).max(axis=0)
    return np.float32(np.partition(maxima, width - k)[width - k])


def _largest(values: Logits, k: int, kth: np.float32) -> Ids:
    """Return the indices of the k largest values, ascending; `kth` is the least of them."""
    kept = np.flatnonzero(values >= kth)
    if kept.size == k:
        return kept
    equal = np.flatnonzero(values == kth)
    return np.setdiff1d(kept, equal[k - (kept.size - equal.size) :], assume_unique=True)


def _heavy(logits: Logits, log_total: float, mass: float) -> tuple[Ids, Numbers]:
    """Return the most probable tokens, enough of them to hold `mass`, and their probabilities."""
    for floor in _floors(logits.size, mass):
        heavy = np.flatnonzero(logits >= log_total + math.log(floor))
        p = np.exp(logits[heavy].astype(np.float64) - log_total)
        if p.sum() > mass + _ROUNDING:
            break
    return heavy, p


def _floors(size: int, mass: float) -> Iterator[float]:
    """Yield smaller and smaller probabilities; those below the last hold too little to matter."""
    last = (1 - mass) / (2 * size)
    floor = _FIRST_GUESS
    while floor > last:
        yield floor
        floor /= 16
    yield last


def _fewest(keys: Numbers, p: Numbers, mass: float) -> NDArray[np.intp]:
    """Return the first indices in order of `keys`, ties by index, until they hold `mass` or more.

    By bisection, so that only what is near the last one kept is sorted.
    """
    kept: list[NDArray[np.intp]] = []
    ids, held = np.arange(keys.size), 0.0
    low, high = float(keys.min()), float(keys.max())
    for _ in range(_MOST_CUTS):
        if ids.size <= _FEW:
            break
        middle = (low + high) / 2
        near = keys <= middle
        inside = np.flatnonzero(near)  # indices: selecting by a mask is many times slower
        reached = held + float(p[inside].sum())
        if abs(reached - mass) < _ROUNDING:
            break
        if reached > mass:
            high = middle
        else:
            kept.append(ids[inside])
            low, held, inside = middle, reached, np.flatnonzero(~near)
        ids, keys, p = ids[inside], keys[inside], p[inside]
    order = np.argsort(keys, kind="stable")
    last = int(np.searchsorted(held + np.cumsum(p[order]), mass))
    return np.concatenate((*kept, ids[order[: last + 1]]))
