"""Filters: which tokens of a distribution may be picked. Pure functions of arrays.

Each takes logits, shape (n,), float32, of any subset of a vocabulary in order of token id, and returns
the mask of what it keeps, shape (n,), bool. The distribution is their softmax, untempered and
renormalised over the subset. Ties go to the lower position, that is the lower token id. At least one
token is kept. A setting that keeps everything is named with each.

None sorts the whole array where less will do: a cheap bound finds the tokens that can matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from baco_core.rows import Logits

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]

_BLOCK = 1 << 14  # a row is read in blocks that stay in the processor's cache
_NO_MASS = -1e4  # far below where exp gives zero; stands for -inf, so that 0 times it is 0
_MOST_BLOCKS = 64
_FEW = 256
_MOST_CUTS = 24
_ROUNDING = 1e-9


def keep_top_k(logits: Logits, k: int) -> Mask:
    """Keep the `k` largest logits, exactly k of them; 0 keeps everything.

    Source: Fan et al. 2018, arXiv 1805.04833.
    """
    if k == 0 or k >= logits.size:
        return np.ones(logits.size, np.bool_)
    near = np.flatnonzero(logits >= _at_most_kth_largest(logits, k))
    values = logits[near]
    kth = np.partition(values, values.size - k)[values.size - k]
    larger, equal = near[values > kth], near[values == kth]
    return _mask(logits.size, np.concatenate((larger, equal[: k - larger.size])))


def keep_typical(logits: Logits, mass: float) -> Mask:
    """Keep the fewest tokens whose surprise is nearest the entropy and that hold `mass`; 1 keeps everything.

    Tokens in order of |-ln p - H|, H = -sum p ln p, until their probabilities sum to `mass` or more.
    The most probable token may go. Source: Meister et al. 2022, "Locally typical sampling", arXiv
    2202.00666, section 4.
    """
    if mass >= 1:
        return np.ones(logits.size, np.bool_)
    log_total, entropy = _log_total_and_entropy(logits)
    typical = log_total - entropy  # the logit of a token whose surprise is the entropy
    # How far the tokens that matter must be taken bounds how far the others can be.
    values = logits[_heavy(logits, log_total, mass)].astype(np.float64)
    distance = np.abs(values - typical)
    bound = distance[_fewest(distance, np.exp(values - log_total), mass)].max()
    near = np.flatnonzero((logits >= typical - bound - _ROUNDING) & (logits <= typical + bound + _ROUNDING))
    values = logits[near].astype(np.float64)
    return _mask(logits.size, near[_fewest(np.abs(values - typical), np.exp(values - log_total), mass)])


def keep_top_p(logits: Logits, mass: float) -> Mask:
    """Keep the fewest most probable tokens that hold `mass`; 1 keeps everything.

    Tokens in order of falling p until their probabilities sum to `mass` or more. Source: Holtzman et
    al. 2020, arXiv 1904.09751, equation 2.
    """
    if mass >= 1:
        return np.ones(logits.size, np.bool_)
    log_total, _ = _log_total_and_entropy(logits)
    heavy = _heavy(logits, log_total, mass)
    values = logits[heavy].astype(np.float64)
    return _mask(logits.size, heavy[_fewest(-values, np.exp(values - log_total), mass)])


def keep_min_p(logits: Logits, fraction: float) -> Mask:
    """Keep tokens with p >= `fraction` times the largest p; 0 keeps everything.

    As a bound on logits: l >= largest l + ln(fraction). Source: Nguyen et al. 2024, arXiv 2407.01082.
    """
    if fraction == 0:
        return np.ones(logits.size, np.bool_)
    kept: Mask = logits >= float(logits.max()) + np.log(fraction)
    return kept


def _at_most_kth_largest(logits: Logits, k: int) -> np.float32:
    """Return a bound that at least k logits reach: the k-th largest of the maxima of many blocks."""
    blocks = min(_MOST_BLOCKS, logits.size // (4 * k))
    if blocks < 2:
        return np.float32(-np.inf)
    width = logits.size // blocks
    maxima = logits[: width * blocks].reshape(blocks, width).max(axis=0)
    return np.float32(np.partition(maxima, width - k)[width - k])


def _log_total_and_entropy(logits: Logits) -> tuple[float, float]:
    """Return ln sum exp(l), and the entropy of the softmax in nats."""
    top = logits.max()
    total = expected = 0.0
    for start in range(0, logits.size, _BLOCK):
        shifted = np.subtract(logits[start : start + _BLOCK], top, dtype=np.float64)
        np.maximum(shifted, _NO_MASS, out=shifted)
        weights = np.exp(shifted)
        total += float(weights.sum())
        expected += float(np.multiply(weights, shifted, out=weights).sum())
    return float(top) + float(np.log(total)), float(np.log(total)) - expected / total


def _heavy(logits: Logits, log_total: float, mass: float) -> NDArray[np.intp]:
    """Return tokens that together hold over `mass`: the others have under half of (1 - mass) / n each."""
    return np.flatnonzero(logits >= log_total + np.log((1 - mass) / (2 * logits.size)))


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


def _mask(size: int, kept: NDArray[np.intp]) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[kept] = True
    return mask
