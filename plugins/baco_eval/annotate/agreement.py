"""Krippendorff's alpha: how far raters agree beyond chance, where not everybody rated everything.

Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability". 1 is full agreement, 0 what chance
gives, less than 0 worse than chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]


def coincidences(units: Iterable[Sequence[int]], values: int) -> Floats:
    """Return how often values meet in a unit, shape (values, values).

    A unit is the values 0 to `values` - 1 that raters gave it, missing ones left out; each of its `m`
    values counts once, by pairs of 1 / (m - 1) each. A unit with one value has none.
    """
    found = np.zeros((values, values))
    for unit in units:
        if len(unit) > 1:
            counts = np.bincount(unit, minlength=values)
            found += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    return found


def alpha(met: Floats, level: Level) -> Floats:
    """Return alpha of coincidences, shape (..., values, values), as shape (...).

    It is NaN where no two raters met, and where all gave one value: then there is nothing to agree on.
    Values of an interval scale are as far apart as their places.
    """
    counts = met.sum(axis=-1)
    total = counts.sum(axis=-1)
    apart = _apart(counts, level)
    observed = (met * apart).sum(axis=(-1, -2))
    expected = (counts[..., :, None] * counts[..., None, :] * apart).sum(axis=(-1, -2))
    there = (total > 1) & (expected > 0)
    chance = np.where(there, expected, 1.0) / np.where(there, total - 1, 1.0)
    return np.asarray(np.where(there, 1 - observed / chance, np.nan))


def _apart(counts: Floats, level: Level) -> Floats:
    """Return the squared differences of values, shape (..., values, values)."""
    if level == "nominal":
        return 1 - np.eye(counts.shape[-1])
    # Krippendorff's ordinal difference, the values between two and half of each, is that of mid-ranks
    places = (
        counts.cumsum(axis=-1) - counts / 2
        if level == "ordinal"
        else np.broadcast_to(np.arange(counts.shape[-1], dtype=np.float64), counts.shape)
    )
    return np.asarray((places[..., :, None] - places[..., None, :]) ** 2)
