"""Scores made up for reports: five settings of two methods, whose Coverage is known by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baco_eval.records import Score, Setting
from baco_eval.report.measure import Measure
from baco_eval.report.results import Results, compute

A = {"0": (0.0, 1.0), "0.5": (0.5, 0.5), "1": (1.0, 0.0)}
B = {"0.3": (0.25, 0.75), "0.6": (0.75, 0.75)}
SETTINGS = [Setting("a", f"gamma={k}") for k in A] + [Setting("b", f"gamma={k}") for k in B]
POINTS = dict(zip([one.key for one in SETTINGS], [*A.values(), *B.values()], strict=True))
PROMPTS = ("fox", "boat", "king")
Value = Callable[[Setting, int], float | None]


def measure(
    name: str, group: str, value: Value, direction: int = 1, settings: Sequence[Setting] = SETTINGS
) -> Measure:
    """Return a metric's scores of each setting and prompt; None is not measured."""
    scores = [
        Score(name, *one.key, prompt, found, "no <model>." if found is None else "")
        for one in settings
        for i, prompt in enumerate(PROMPTS)
        for found in [value(one, i)]
    ]
    return Measure(name, direction, group, "f & g", "by hand", scores)


def diversity(one: Setting, prompt: int) -> float:
    """Return what the mean over prompts is the first coordinate of."""
    return POINTS[one.key][0] + (prompt - 1) / 8


def quality(one: Setting, prompt: int) -> float:
    return POINTS[one.key][1]


DISTINCT = measure("distinct-1", "lexical", diversity)
KINDS = measure("distinct-k", "semantic", diversity)
REWARD = measure("reward", "quality", quality)


def report(*measures: Measure, settings: Sequence[Setting] = SETTINGS, partial: bool = False) -> Results:
    return compute(settings, measures or [DISTINCT, KINDS, REWARD], resamples=20, partial=partial)


AS_B = [Setting("rand-as-b", one.id, matches=one.key) for one in SETTINGS[3:]]
"""Controls; the second has more quality than any other setting."""
POINTS.update(dict(zip([one.key for one in AS_B], [(0.5, 0.5), (0.5, 1.5)], strict=True)))
