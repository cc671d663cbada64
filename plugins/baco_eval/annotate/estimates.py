"""Values with bootstrap intervals over prompts, from tables with holes. Pure functions.

A table has shape (settings, prompts); NaN is where nobody rated. Every prompt counts the same, whatever
the number of its ratings. The same resamples of the prompts serve all tables.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baco_eval.intervals import LEVEL

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the percentiles of its resamples; None is not measured, and `why` says the reason."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


def estimate(value: float, samples: Floats, prompts: int, why: str) -> Estimate:
    """Return a value with its interval, or `why` there is none where it is NaN.

    Of less than two prompts there is no interval. Resamples that gave nothing, NaN, are left out.
    """
    if not np.isfinite(value):
        return Estimate(None, why=why)
    known = samples[np.isfinite(samples)]
    if prompts < 2 or not known.size:
        return Estimate(float(value), why="one prompt: no interval")
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(value), float(low), float(high))


def averages(table: Floats, shares: Floats) -> Floats:
    """Return the means over the prompts that are there, shape (..., settings); NaN where none is.

    `shares` says how much each prompt counts, shape (..., prompts).
    """
    there = np.isfinite(table)
    total = shares @ np.where(there, table, 0.0).T
    weight = shares @ there.astype(np.float64).T
    return np.asarray(np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-12))


def everyone(prompts: int) -> Floats:
    """Return the shares of the full sample, shape (prompts,)."""
    return np.full(prompts, 1 / prompts)


def estimates(table: Floats, shares: Floats, why: str) -> list[Estimate]:
    """Return the mean of each row of a table with its interval."""
    values, samples = averages(table, everyone(table.shape[1])), averages(table, shares)
    counts = np.isfinite(table).sum(axis=1)
    return [estimate(values[i], samples[:, i], int(counts[i]), why) for i in range(len(table))]


def together(table: Floats) -> Floats:
    """Return the mean of the rows, shape (1, prompts), of what is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a prompt that nobody rated stays NaN
        return np.asarray(np.nanmean(table, axis=0, keepdims=True))
