"""From scores to numbers: points, planes, Coverage and Dominance, with intervals. Pure functions.

A setting is a point in each plane: the means over prompts of a diversity and of a quality, both turned so
that larger is better. All planes are of the same prompts, and of the same resamples of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baco_core.errors import ConfigError
from baco_eval.frontier import Bounds, Points, Rule, normalise
from baco_eval.intervals import RESAMPLES, Interval, Plane, Resampled, by_group, resample
from baco_eval.records import Setting
from baco_eval.report.axes import Pair, axes_of, common
from baco_eval.report.measure import Key, Measure

STATISTICS = ("coverage", "dominance", "dominance_by_size")


@dataclass(frozen=True, slots=True)
class PlaneResult:
    """One plane: the points of each method in the order of its settings, and what they come to."""

    plane: Plane
    points: Mapping[str, Points]
    bounds: Bounds
    statistics: Mapping[str, Resampled]

    @property
    def normalised(self) -> dict[str, Points]:
        """The points within the bounds, 0 to 1."""
        return {method: normalise(points, self.bounds) for method, points in self.points.items()}


@dataclass(frozen=True, slots=True)
class Results:
    """All that a report tells."""

    settings: Sequence[Setting]
    measures: Mapping[str, Measure]
    prompts: Sequence[str]
    """Which prompts the planes are of."""
    rule: Rule
    resamples: int
    stand_in: str
    """The metric that stands for quality where none was measured, else empty."""
    planes: Mapping[Pair, PlaneResult]
    means: Mapping[str, Mapping[str, Resampled]]
    """By statistic and group."""
    averages: Mapping[tuple[Key, str], Interval]
    """By setting and metric, over the prompts that the metric measured there."""
    notes: Sequence[str]

    @property
    def methods(self) -> dict[str, list[Setting]]:
        """The settings of each method, in the order of the sweep."""
        return by_method(self.settings)

    @property
    def controls(self) -> frozenset[str]:
        """The methods whose settings match those of another: they hold no share of a front."""
        return controls_of(self.settings)


def controls_of(settings: Sequence[Setting]) -> frozenset[str]:
    """Return the methods that are controls."""
    own = by_method(settings)
    return frozenset(method for method, found in own.items() if all(one.matches for one in found))


def by_method(settings: Sequence[Setting]) -> dict[str, list[Setting]]:
    """Return the settings of each method."""
    found: dict[str, list[Setting]] = {}
    for setting in settings:
        found.setdefault(setting.method, []).append(setting)
    return found


def compute(
    settings: Sequence[Setting],
    measures: Sequence[Measure],
    rule: Rule = "staircase",
    resamples: int = RESAMPLES,
    *,
    partial: bool = False,
) -> Results:
    """Return the results of a sweep's scores.

    With `partial`, settings without a score are left out; without, they raise ConfigError. It is raised
    as well for a single setting and when all settings are the same point in every plane.
    """
    if not any(measure.scores for measure in measures):
        raise ConfigError("there is no score; run baco score first.")
    kept, notes = _finished(settings, measures, partial=partial)
    named = {measure.name: measure for measure in measures}
    axes, stand_in, said = axes_of(kept, measures)
    pairs, prompts, left_out = common(kept, axes)
    planes = {pair: _plane(kept, prompts, named[pair[0]], named[pair[1]], rule, resamples) for pair in pairs}
    if planes and all(one.bounds.low == one.bounds.high for one in planes.values()):
        raise ConfigError("all settings have the same diversity and quality; there is nothing to compare.")
    groups = {name: measure.group for name, measure in named.items()}
    means = {
        name: by_group({pair: one.statistics[name] for pair, one in planes.items()}, groups)
        for name in STATISTICS
    }
    averages = {
        (setting.key, measure.name): _average(list(found.values()), resamples)
        for measure in measures
        for values in [measure.values]
        for setting in kept
        if (found := values.get(setting.key))
    }
    notes = [*notes, *said, *left_out, *_flat(planes)]
    return Results(kept, named, prompts, rule, resamples, stand_in, planes, means, averages, notes)


def _finished(
    settings: Sequence[Setting], measures: Sequence[Measure], *, partial: bool
) -> tuple[list[Setting], list[str]]:
    there = {(one.method, one.setting) for measure in measures for one in measure.scores}
    kept = [setting for setting in settings if setting.key in there]
    missing = [setting for setting in settings if setting.key not in there]
    if missing and not partial:
        raise ConfigError(_unfinished(missing[0], by_method(kept)))
    if len(kept) == 1:
        raise ConfigError(
            f"there is a single setting ({kept[0].method} {kept[0].id}); a report compares two or more."
        )
    if len(controls_of(kept)) == len(by_method(kept)):
        raise ConfigError("only controls are finished; go on with baco sweep and baco score.")
    out = [f"{name} ({', '.join(one.id for one in own)})" for name, own in by_method(missing).items()]
    return kept, [f"Left out, since no prompt of theirs is finished: {', '.join(out)}."] if out else []


def _unfinished(first: Setting, kept: Mapping[str, object]) -> str:
    what = f"setting {first.id!r} of {first.method!r}" if first.method in kept else f"method {first.method!r}"
    return (
        f"{what} has no finished and scored prompt, and shares change when it comes; go on with baco sweep "
        "and baco score, or leave it out with --partial."
    )


def _plane(
    settings: Sequence[Setting],
    prompts: Sequence[str],
    diversity: Measure,
    quality: Measure,
    rule: Rule,
    resamples: int,
) -> PlaneResult:
    tables = [(one.direction, one.values) for one in (diversity, quality)]
    arrays = {
        method: np.array(
            [
                [[sign * values[one.key][prompt] for sign, values in tables] for prompt in prompts]
                for one in own
            ]
        )
        for method, own in by_method(settings).items()
    }
    plane = Plane(arrays, controls_of(settings))
    statistics = {
        "coverage": plane.coverage(resamples, rule=rule),
        "dominance": plane.dominance(resamples),
        "dominance_by_size": plane.dominance(resamples, by_size=True),
    }
    points = plane.points(np.full(plane.prompts, 1 / plane.prompts))
    return PlaneResult(plane, points, plane.bounds, statistics)


def _average(values: Sequence[float], resamples: int) -> Interval:
    array: NDArray[np.float64] = np.array(values)
    low, high = np.quantile(resample(len(values), resamples) @ array, [0.025, 0.975])
    return Interval(float(array.mean()), float(low), float(high))


def _flat(planes: Mapping[Pair, PlaneResult]) -> list[str]:
    return [
        f"{d} and {q}: all settings have the same {d if one.bounds.low[0] == one.bounds.high[0] else q}, so "
        "Coverage is 0 for all."
        for (d, q), one in planes.items()
        if one.bounds.low[0] == one.bounds.high[0] or one.bounds.low[1] == one.bounds.high[1]
    ]
