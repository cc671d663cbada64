"""Bootstrap intervals over prompts.

Prompts are drawn with replacement, the same draw for all methods, because methods differ less on one
prompt than prompts differ. The bounds of a plane stay those of the full sample: what a resample puts
outside lies on the edge. Percentiles after Efron and Tibshirani 1993, "An Introduction to the
Bootstrap", chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baco_core.errors import ConfigError, LookUpError
from baco_eval.frontier import Bounds, Points, Rule, bounds, coverage, coverages, dominance, normalise

Shares = NDArray[np.float64]
Statistic = Callable[[Shares], Mapping[str, float]]
"""From how much each prompt counts, shape (p,), summing to 1, to one number a method."""

GROUPS = ("lexical", "semantic")
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value of the full sample and the percentiles of its resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampled:
    """What the full sample and each resample of the prompts give every method."""

    values: Mapping[str, float]
    samples: Mapping[str, NDArray[np.float64]] = field(repr=False)
    """By method, shape (resamples,); sample i of all methods is of the same prompts."""

    def interval(self, method: str, level: float = LEVEL) -> Interval:
        """Return the interval of a method's value; LookUpError for a method that is not there."""
        self._check(method)
        return _interval(self.values[method], self.samples[method], level)

    def difference(self, method: str, to: str, level: float = LEVEL) -> Interval:
        """Return the interval of a method's value less that of `to`, resample by resample."""
        self._check(method)
        self._check(to)
        return _interval(
            self.values[method] - self.values[to], self.samples[method] - self.samples[to], level
        )

    def _check(self, method: str) -> None:
        if method not in self.values:
            raise LookUpError.unknown("method", method, self.values)


def resample(prompts: int, count: int = RESAMPLES, seed: int = 0) -> Shares:
    """Return how much each prompt counts in each resample, shape (count, prompts); rows sum to 1.

    Raises ConfigError for less than one prompt or resample.
    """
    if prompts < 1:
        raise ConfigError(f"a bootstrap needs a prompt or more, not {prompts}.")
    if count < 1:
        raise ConfigError(f"a bootstrap needs a resample or more, not {count}.")
    drawn = np.random.default_rng(seed).integers(prompts, size=(count, prompts))
    return np.stack([np.bincount(row, minlength=prompts) for row in drawn]) / prompts


def bootstrap(statistic: Statistic, prompts: int, count: int = RESAMPLES, seed: int = 0) -> Resampled:
    """Return the statistic of the full sample and of `count` resamples of the prompts.

    Same arguments, same result. Raises ConfigError as `resample` does.
    """
    values = dict(statistic(np.full(prompts, 1 / max(prompts, 1))))
    found = [statistic(shares) for shares in resample(prompts, count, seed)]
    return Resampled(values, {name: np.array([each[name] for each in found]) for name in values})


def average(parts: Sequence[Resampled]) -> Resampled:
    """Return the mean of results over the same resamples: planes to a group, groups to the overall.

    The same prompts in the same order must have been resampled, with one seed; then samples belong
    together. Raises ConfigError for none, for unlike methods and for unlike counts of resamples.
    """
    if not parts:
        raise ConfigError("there is nothing to average; at least one plane must be measured.")
    names = list(parts[0].values)
    shapes = {tuple(sorted((n, s.shape) for n, s in part.samples.items())) for part in parts}
    if len(shapes) > 1:
        raise ConfigError("planes of unlike methods or resamples can't be averaged; measure all in each.")
    return Resampled(
        {name: math.fsum(part.values[name] for part in parts) / len(parts) for name in names},
        {name: np.mean([part.samples[name] for part in parts], axis=0) for name in names},
    )


def by_group(planes: Mapping[tuple[str, str], Resampled], groups: Mapping[str, str]) -> dict[str, Resampled]:
    """Return the mean over the planes of each group, and under `overall` the mean of the groups.

    `planes` has (diversity metric, quality metric) as keys; `groups` gives each diversity metric's group,
    `lexical` or `semantic`. A group without a plane is left out, and `overall` with it. Raises ConfigError
    as `average` does and for a metric without a group.
    """
    found: dict[str, list[Resampled]] = {}
    for diversity, quality in planes:
        if groups.get(diversity) not in GROUPS:
            raise ConfigError(f"metric {diversity!r} is no lexical or semantic one; it makes no plane.")
        found.setdefault(groups[diversity], []).append(planes[diversity, quality])
    means = {group: average(found[group]) for group in GROUPS if group in found}
    return {**means, "overall": average(list(means.values()))} if len(means) == len(GROUPS) else means


@dataclass(frozen=True)
class Plane:
    """What was measured in one plane: by method an array, shape (settings, prompts, 2), larger is better.

    Every prompt must be measured in every setting; `everywhere` tells which are. `controls` names methods
    that are there to be compared with: they count for the bounds and have a Coverage, but hold no share of
    the front. Raises ConfigError for arrays of other shapes, unlike numbers of prompts, values that are
    not finite, and when all methods are controls.
    """

    methods: Mapping[str, NDArray[np.float64]]
    controls: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not set(self.methods) - self.controls:
            raise ConfigError("there is no method but controls; at least one is needed.")
        arrays = {name: np.asarray(values, np.float64) for name, values in self.methods.items()}
        for name, values in arrays.items():
            _check(name, values)
        if len({values.shape[1] for values in arrays.values()}) > 1:
            counts = ", ".join(f"{name} {values.shape[1]}" for name, values in arrays.items())
            raise ConfigError(f"methods have unlike numbers of prompts ({counts}); take the common ones.")
        object.__setattr__(self, "methods", arrays)

    @property
    def prompts(self) -> int:
        """How many prompts were measured."""
        return int(next(iter(self.methods.values())).shape[1])

    @property
    def bounds(self) -> Bounds:
        """The bounds of the full sample, over all methods."""
        return bounds(self.points(np.full(self.prompts, 1 / self.prompts)))

    @cached_property
    def _grains(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The settings of all methods, shape (prompts, settings, 2), and what they count: `_grains_of`."""
        return _grains_of(np.concatenate(list(self.methods.values())).swapaxes(0, 1))

    def points(self, shares: Shares) -> dict[str, Points]:
        """Return each setting's mean over prompts, shape (settings, 2), in the metrics' units.

        Settings with equal values have equal means to the last bit, in whichever method they are and
        whichever of the prompts has which value.
        """
        values, grain = self._grains
        counts = shares * self.prompts
        counts = np.where(np.abs(counts - np.rint(counts)) < 1e-9, np.rint(counts), counts)
        # Over the outer axis numpy adds row after row, for all settings alike; a product of matrices
        # adds in an order that depends on the place.
        means = (counts[:, None, None] * values).sum(axis=0) / self.prompts * grain
        ends = np.cumsum([len(values) for values in self.methods.values()])
        return dict(zip(self.methods, np.split(means, ends[:-1]), strict=True))

    def coverage(self, count: int = RESAMPLES, seed: int = 0, rule: Rule = "staircase") -> Resampled:
        """Return each method's Coverage under the bounds of the full sample."""
        frozen = self.bounds
        full = self.points(np.full(self.prompts, 1 / self.prompts))
        values = {name: coverage(normalise(points, frozen), rule) for name, points in full.items()}
        samples = {
            name: coverages(normalise(found.reshape(-1, 2), frozen, clip=True).reshape(found.shape), rule)
            for name, found in self._sampled(count, seed).items()
        }
        return Resampled(values, samples)

    def _sampled(self, count: int, seed: int) -> dict[str, NDArray[np.float64]]:
        """Return the points of each resample, by method, shape (count, settings, 2)."""
        drawn = [self.points(shares) for shares in resample(self.prompts, count, seed)]
        return {name: np.stack([points[name] for points in drawn]) for name in self.methods}

    def dominance(self, count: int = RESAMPLES, seed: int = 0, by_size: bool = False) -> Resampled:
        """Return the Dominance of each method but controls; bounds play no part in it."""
        return bootstrap(
            lambda shares: dominance(
                {name: own for name, own in self.points(shares).items() if name not in self.controls}, by_size
            ),
            self.prompts,
            count,
            seed,
        )


def everywhere(values: ArrayLike) -> NDArray[np.bool_]:
    """Say which prompts are measured in every setting; values shape (settings, prompts, ...), NaN is not."""
    array = np.asarray(values, np.float64)
    others = tuple(axis for axis in range(array.ndim) if axis != 1)
    return np.asarray(np.isfinite(array).all(axis=others), np.bool_)


def _grains_of(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return values, shape (prompts, settings, 2), as whole numbers of grains, and each column's grain.

    The grain is the power of two so small that as many values as there are prompts add up exactly, in any
    order. Else the sums of 1, 2, 3 and of 3, 2, 1 differ by rounding, and what is a tie would be none.
    """
    largest = np.abs(values).max(axis=(0, 1))
    grain = np.ldexp(1.0, np.maximum(np.frexp(largest)[1] + np.frexp(len(values))[1] - 52, -1022))
    return np.rint(values / grain), grain


def _check(name: str, values: NDArray[np.float64]) -> None:
    if values.ndim != 3 or values.shape[2] != 2 or 0 in values.shape:
        raise ConfigError(
            f"method {name!r}: shape {values.shape}; it must be (settings, prompts, 2), neither of them 0."
        )
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        raise ConfigError(
            f"method {name!r}: setting {bad[0][0]}, prompt {bad[0][1]} is not measured "
            f"({values[tuple(bad[0])]}); leave that prompt out of all methods."
        )


def _interval(value: float, samples: NDArray[np.float64], level: float) -> Interval:
    if not 0 < level < 1:
        raise ConfigError(f"the level of an interval must lie between 0 and 1, not {level}.")
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
