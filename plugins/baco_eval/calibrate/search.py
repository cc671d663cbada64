"""Finds the rung of a ladder at which something measured comes nearest to what is wanted. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

RUNGS = 256
DIGITS = 6


def search(
    measure: Callable[[int], float], rungs: int, wanted: float, near: float = 0.0, most: int | None = None
) -> int:
    """Return the rung, from 0 to `rungs - 1`, whose measured value is nearest to `wanted`.

    `measure` should rise or fall along the rungs; which of the two, its values at both ends tell. Between
    them the search goes on where a straight line through the ends of the interval meets `wanted`, or in
    its middle where that did not halve the interval. It ends within `near` of `wanted`, after `most`
    measurements, or when no rung is left in the interval. No rung is measured twice, and no more than
    2 + 2 log2(rungs) are. Of equal distances the first rung wins. If `measure` is monotone and neither
    `near` nor `most` ends the search, no rung is nearer. Raises ValueError for less than one rung.
    """
    if rungs < 1:
        raise ValueError(f"a search needs a rung, not {rungs}")
    low, high, slow = 0, rungs - 1, False
    known = {rung: measure(rung) for rung in sorted({low, high})}
    rising = known[low] <= known[high]
    limit = math.inf if most is None else most
    inside = min(known.values()) < wanted < max(known.values())
    while inside and high - low > 1 and len(known) < limit and _off(known, wanted) > near:
        width = high - low
        rung = (low + high) // 2 if slow else _where_line_meets(known, low, high, wanted)
        known[rung] = measure(rung)
        low, high = (rung, high) if (known[rung] < wanted) == rising else (low, rung)
        slow = not slow and 2 * (high - low) > width
    return nearest(known, wanted)


def nearest(known: Mapping[int, float], wanted: float) -> int:
    """Return the key whose value is nearest to `wanted`, the least of several."""
    return min(sorted(known), key=lambda rung: abs(known[rung] - wanted))


def _off(known: Mapping[int, float], wanted: float) -> float:
    return min(abs(value - wanted) for value in known.values())


def _where_line_meets(known: Mapping[int, float], low: int, high: int, wanted: float) -> int:
    part = (wanted - known[low]) / (known[high] - known[low])
    return min(max(low + round(part * (high - low)), low + 1), high - 1)


def ladder(signals: Iterable[float], low: float, high: float, rungs: int = RUNGS) -> tuple[float, ...]:
    """Return thresholds from `low` to `high`, rising: both ends, and quantiles of what is held against them.

    Quantiles carry over from one vocabulary to another where thresholds in nats do not. Of no signals at
    all the steps are even from `low` to `high`, or powers of ten where an end is infinite. Thresholds have
    six digits.
    """
    finite = [signal for signal in signals if math.isfinite(signal)]
    inner = np.quantile(finite, np.linspace(0, 1, rungs)).tolist() if finite else _even(low, high, rungs)
    rounded = (float(f"{value:.{DIGITS}g}") for value in inner)
    return tuple(sorted({low, high, *(value for value in rounded if low < value < high)}))


def _even(low: float, high: float, rungs: int) -> list[float]:
    if math.isfinite(low) and math.isfinite(high):
        return [float(value) for value in np.linspace(low, high, rungs)]
    powers = [float(power) for power in np.logspace(-3, 6, rungs // 2)]
    return [*(-power for power in powers), 0.0, *powers]
