"""Rank correlation of ratings with metrics, with intervals over prompts. Pure functions.

Tables have shape (settings, prompts); NaN is not rated or not measured, and such places are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from baco_eval.annotate.estimates import Estimate, Floats, averages, estimate, everyone

FEWEST = 3
"""Ranks of two always agree or disagree fully, which says nothing."""


def over_settings(rated: Floats, measured: Floats, shares: Floats) -> Estimate:
    """Return Spearman's correlation of the settings' means, of the places that both tables have."""
    both = np.isfinite(rated) & np.isfinite(measured)
    tables = [np.where(both, table, np.nan) for table in (rated, measured)]
    count = int(both.any(axis=1).sum())
    if count < FEWEST:
        return Estimate(None, why=f"{count} settings; it takes {FEWEST}")
    full = everyone(rated.shape[1])
    value = spearman(*(_tied(averages(table, full)[None]) for table in tables))[0]
    samples = spearman(*(_tied(averages(table, shares)) for table in tables))
    return estimate(value, samples, int(both.any(axis=0).sum()), "all settings are equal")


def _tied(means: Floats) -> Floats:
    """Return means, one row a resample, for their ranks: those that differ by rounding alone are equal."""
    largest = np.nan_to_num(np.abs(means)).max(axis=1, keepdims=True)
    return np.asarray(np.rint(means / np.where(largest > 0, largest, 1.0) * 2.0**40))


def over_places(rated: Floats, measured: Floats, drawn: NDArray[np.integer[Any]]) -> Estimate:
    """Return Spearman's correlation of all (setting, prompt) places that both tables have.

    `drawn` has the prompts of each resample, shape (resamples, prompts).
    """
    both = np.isfinite(rated) & np.isfinite(measured)
    count = int(both.sum())
    if count < FEWEST:
        return Estimate(None, why=f"{count} settings and prompts; it takes {FEWEST}")
    tables = [np.where(both, table, np.nan) for table in (rated, measured)]
    value = spearman(*(table.reshape(1, -1) for table in tables))[0]
    samples = spearman(*(table.T[drawn].reshape(len(drawn), -1) for table in tables))
    return estimate(value, samples, int(both.any(axis=0).sum()), "all places are equal")


def spearman(one: Floats, other: Floats) -> Floats:
    """Return the rank correlation of each row, shape (rows,), of places finite in both; NaN for constants.

    Ties share their mean rank (Spearman 1904; Kendall 1945).
    """
    from scipy.stats import rankdata

    both = np.isfinite(one) & np.isfinite(other)
    ranks = [rankdata(np.where(both, x, np.nan), axis=1, nan_policy="omit") for x in (one, other)]
    counts = np.maximum(both.sum(axis=1, keepdims=True), 1)
    a, b = (np.where(both, r - np.where(both, r, 0).sum(axis=1, keepdims=True) / counts, 0.0) for r in ranks)
    spread = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    same = (both.sum(axis=1) < 2) | (spread < 1e-12)
    return np.asarray(np.where(same, np.nan, (a * b).sum(axis=1) / np.where(same, 1.0, spread)))
