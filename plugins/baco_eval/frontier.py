"""Coverage and Dominance: how much of a plane of diversity and quality a method reaches.

Pure functions of arrays. Points have shape (s, 2): one row a setting, columns diversity and quality, both
so that larger is better. Nothing here knows of methods' names, prompts or models. How the paper computes
either number is not established; these definitions are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baco_core.errors import ConfigError, did_you_mean

Points = NDArray[np.float64]
Rule = Literal["staircase", "trapezoid"]
RULES: tuple[Rule, ...] = ("staircase", "trapezoid")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What 0 and 1 of a plane stand for: (diversity, quality) in the metrics' units.

    Stored with every result: Coverage means nothing without them.
    """

    low: tuple[float, float]
    high: tuple[float, float]

    def __post_init__(self) -> None:
        for low, high in zip(self.low, self.high, strict=True):
            if not -np.inf < low <= high < np.inf:
                raise ConfigError(f"bounds must be finite and low <= high, not {self.low} and {self.high}.")


def as_points(points: ArrayLike, label: str = "points") -> Points:
    """Return an array, shape (s, 2), float64; ConfigError when empty, of another shape or not finite."""
    try:
        array = np.asarray(points, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{label}: not an array of numbers ({error}).") from error
    if array.size == 0:
        raise ConfigError(f"{label}: empty; there must be at least one setting.")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ConfigError(f"{label}: shape {array.shape}; it must be (s, 2), (diversity, quality) a row.")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if bad.size:
        raise ConfigError(
            f"{label}: row {bad[0]} is {_shown(array[bad[0]])}; leave out what is not measured."
        )
    return array


def bounds(pooled: Mapping[str, ArrayLike] | Iterable[ArrayLike]) -> Bounds:
    """Return the smallest and largest diversity and quality over the points of all methods compared.

    Raises ConfigError for no method at all and as `as_points` does.
    """
    points = np.concatenate(list(_by_method(pooled).values()))
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Bounds((low[0], low[1]), (high[0], high[1]))


def normalise(points: ArrayLike, within: Bounds, *, clip: bool = False) -> Points:
    """Return the points scaled so that the bounds become 0 and 1; a range of zero maps to 0.

    With `clip`, what lies outside is put on the edge, as resamples under frozen bounds need it; without,
    it raises ConfigError.
    """
    array, low, high = as_points(points), np.array(within.low), np.array(within.high)
    # Halves first: the range of two large floats of unlike sign overflows.
    half = high / 2 - low / 2
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        scaled = np.where(half > 0, (array / 2 - low / 2) / half, 0.0)
    if clip:
        return np.clip(scaled, 0.0, 1.0)
    outside = np.flatnonzero(((array < low) | (array > high)).any(axis=1))
    if outside.size:
        raise ConfigError(
            f"points: row {outside[0]} is {_shown(array[outside[0]])}, outside the bounds "
            f"{within.low} to {within.high}; take bounds over all methods, or clip."
        )
    return np.clip(scaled, 0.0, 1.0)


def front(points: ArrayLike) -> Points:
    """Return the distinct non-dominated points, shape (f, 2), by rising diversity (falling quality).

    A point is dominated if another is at least as good in both and better in one.
    """
    return _front(as_points(points))


def coverage(points: ArrayLike, rule: Rule = "staircase") -> float:
    """Return the area under the curve of one method; points in [0, 1]^2, shape (s, 2).

    `staircase`: area dominated by the points above the reference (0, 0), that is, with the points by
    rising d and d_0 = 0, the sum of (d_i - d_{i-1}) * max of q_j over j >= i. In [0, 1]; another point
    never lowers it. `trapezoid`: trapezoid area over the non-dominated points on their own range of d;
    0 for one point, and another point can lower it. Raises ConfigError for points that are empty, not
    finite or outside [0, 1], and for an unknown rule.
    """
    array = as_points(points)
    outside = np.flatnonzero(((array < 0) | (array > 1)).any(axis=1))
    if outside.size:
        raise ConfigError(
            f"points: row {outside[0]} is {_shown(array[outside[0]])}, outside [0, 1]; normalise first."
        )
    if rule not in RULES:
        raise ConfigError(f"unknown rule {rule!r}.{did_you_mean(str(rule), RULES)}")
    d, q = _front(array).T
    if rule == "trapezoid":
        return float(np.diff(d) @ (q[1:] + q[:-1]) / 2)
    return min(float(np.diff(d, prepend=0.0) @ q), 1.0)


def coverages(samples: NDArray[np.float64], rule: Rule = "staircase") -> NDArray[np.float64]:
    """Return the Coverage of each sample of one method's points, shape (r, s, 2) in [0, 1]: shape (r,).

    The same as `coverage` of each but for rounding, and many times as fast by the staircase.
    """
    if rule != "staircase":
        return np.array([coverage(points, rule) for points in samples])
    order = np.argsort(samples[:, :, 0], axis=1)
    d, q = np.moveaxis(np.take_along_axis(samples, order[:, :, None], axis=1), 2, 0)
    highest = np.maximum.accumulate(q[:, ::-1], axis=1)[:, ::-1]
    found: NDArray[np.float64] = (np.diff(d, axis=1, prepend=0.0) * highest).sum(axis=1)
    return np.minimum(found, 1.0)


def dominance(methods: Mapping[str, ArrayLike], by_size: bool = False) -> dict[str, float]:
    """Return each method's share of the pooled front; the shares sum to 1.

    `methods` maps names to points, shape (s, 2), finite, in any unit: only their order counts. Each
    distinct non-dominated position is worth 1, split equally among the methods that have a point there.
    With `by_size`, the worth of a method is divided by its number of points, then the shares are scaled
    to sum to 1. Shares change when a method is added, so tables of different methods don't compare.
    Raises ConfigError for no method and as `as_points` does.
    """
    arrays = _by_method(methods)
    best = _front(np.concatenate(list(arrays.values())))
    present = np.stack([_holds(points, best) for points in arrays.values()])
    worth = (present / present.sum(axis=0)).sum(axis=1)
    if by_size:
        worth = worth / [len(points) for points in arrays.values()]
    return dict(zip(arrays, (worth / worth.sum()).tolist(), strict=True))


def _by_method(pooled: Mapping[str, ArrayLike] | Iterable[ArrayLike]) -> dict[str, Points]:
    named = pooled.items() if isinstance(pooled, Mapping) else ((str(i), p) for i, p in enumerate(pooled))
    arrays = {name: as_points(points, f"method {name!r}") for name, points in named}
    if not arrays:
        raise ConfigError("there is no method; at least one is needed.")
    return arrays


def _front(points: Points) -> Points:
    falling = points[np.lexsort((-points[:, 1], -points[:, 0]))]
    best_before = np.maximum.accumulate(np.concatenate(([-np.inf], falling[:-1, 1])))
    return falling[falling[:, 1] > best_before][::-1]


def _holds(points: Points, positions: Points) -> NDArray[np.bool_]:
    """Say for each position whether one of the points is there, to the last bit."""
    held: NDArray[np.bool_] = (points[None, :, :] == positions[:, None, :]).all(axis=2).any(axis=1)
    return held


def _shown(row: Points) -> str:
    return f"({row[0]:g}, {row[1]:g})"
