"""From scores as they lie in files to planes of diversity and quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from baco_core.errors import ConfigError
from baco_eval.intervals import Plane
from baco_eval.metrics.metric import Direction, NotMeasured
from baco_eval.records import Score

Key = tuple[str, str]
"""Method and setting."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A metric as an axis. Values of direction -1 are negated, so that larger is better on every axis."""

    metric: str
    direction: Direction = 1

    def __post_init__(self) -> None:
        if self.direction not in (-1, 1):
            raise ConfigError(f"metric {self.metric!r} has no better direction; it cannot be an axis.")


@dataclass(frozen=True)
class Arranged:
    """A plane and what stands where in its arrays."""

    plane: Plane
    settings: Mapping[str, tuple[str, ...]]
    """By method, in order of the rows."""
    prompts: tuple[str, ...]
    left_out: Mapping[str, str]
    """Prompts that are not measured in every setting, each with the first reason."""


def arrange(scores: Iterable[Score], diversity: Axis, quality: Axis) -> Arranged:
    """Return the plane of two metrics over the prompts that are measured in every setting.

    Scores of other metrics are passed over; the order of scores changes nothing. Raises ConfigError for
    a score that is there twice or not finite, and NotMeasured when no prompt is left.
    """
    axes = (diversity, quality)
    found = _by_place(scores, axes)
    keys = sorted({key for _, key, _ in found})
    prompts = sorted({prompt for _, _, prompt in found})
    left_out = {
        prompt: reason for prompt in prompts if (reason := _missing(found, axes, keys, prompt)) is not None
    }
    kept = tuple(prompt for prompt in prompts if prompt not in left_out)
    if not kept:
        why = next(iter(left_out.values()), "there are no scores")
        raise NotMeasured(f"no prompt has {diversity.metric} and {quality.metric} in every setting: {why}.")
    settings = {method: tuple(s for m, s in keys if m == method) for method in sorted({m for m, _ in keys})}
    values = {
        method: np.array([[_point(found, axes, (method, s), prompt) for prompt in kept] for s in names])
        for method, names in settings.items()
    }
    return Arranged(Plane(values), settings, kept, left_out)


_Found = dict[tuple[str, Key, str], Score]


def _by_place(scores: Iterable[Score], axes: tuple[Axis, Axis]) -> _Found:
    wanted = {axis.metric for axis in axes}
    found: _Found = {}
    for score in scores:
        if score.metric not in wanted:
            continue
        place = (score.metric, (score.method, score.setting), score.prompt)
        if place in found:
            raise ConfigError(f"{_shown(place)} is scored twice; score it again into an empty file.")
        if score.value is not None and not np.isfinite(score.value):
            raise ConfigError(f"{_shown(place)} is {score.value}; score it again.")
        found[place] = score
    return found


def _missing(found: _Found, axes: tuple[Axis, Axis], keys: list[Key], prompt: str) -> str | None:
    for key in keys:
        for axis in axes:
            place = (axis.metric, key, prompt)
            if place not in found:
                return f"{_shown(place)} has no score"
            if found[place].value is None:
                return f"{_shown(place)} is not measured: {found[place].not_measured.rstrip('.')}"
    return None


def _point(found: _Found, axes: tuple[Axis, Axis], key: Key, prompt: str) -> list[float]:
    return [axis.direction * float(found[axis.metric, key, prompt].value or 0) for axis in axes]


def _shown(place: tuple[str, Key, str]) -> str:
    metric, (method, setting), prompt = place
    return f"{metric} of {method} {setting}, prompt {prompt!r},"
