"""For plugin authors: a check that every metric must pass."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from baco_eval.metrics.metric import Metric, NotMeasured
from baco_eval.records import Generation, Prompt

_WORDS = ("a", "the", "fox", "king", "boat", "ran", "sat", "red", "été", "森", "42", ".", "\n", "🦊")
_PROMPT = Prompt("fox", "Tell me a story about a fox.")


def check_metric(metric: Metric, *, trials: int = 20, seed: int = 0) -> None:
    """Check the contract of `baco_eval.metrics.metric.Metric`; AssertionError names the rule.

    It checks that the metric is a value that says what it measures, and that `measure` gives a finite
    number within `range`, the same each time, or NotMeasured with a reason; that it changes nothing it is
    given and draws from no global random numbers: for none to ten texts, empty, short, long and equal
    ones. A metric whose model is not here passes when it says so.
    """
    _check_says(metric)
    for generations in _groups(np.random.default_rng(seed), trials):
        _check_measures(metric, generations)


def _check_says(metric: Metric) -> None:
    twin = copy.deepcopy(metric)
    assert twin == metric, "a metric is a value: its copy must equal it (make it a frozen dataclass)"
    assert hash(twin) == hash(metric), "a metric is a value: its copy must have the same hash"
    assert metric.direction in (-1, 0, 1), f"direction must be -1, 0 or 1, not {metric.direction!r}"
    low, high = metric.range
    assert low < high, f"range must be the least and the largest value, not {metric.range!r}"
    assert metric.group in ("lexical", "semantic", "quality", "other"), f"no such group: {metric.group!r}"
    for name in ("formula", "source"):
        assert getattr(metric, name).strip(), f"{name} must say something"
    assert metric.needs is None or metric.needs.strip(), "needs must be None, or name a kind of model"


def _groups(rng: np.random.Generator, trials: int) -> Iterator[list[Generation]]:
    """Yield groups of generations of one prompt, extreme and ordinary."""
    special: list[list[str]] = [[], [""], ["", " \n"], ["fox"], ["fox"] * 10, ["a b c d e", ""]]
    drawn = [
        [" ".join(rng.choice(_WORDS, rng.integers(60))) for _ in range(rng.integers(1, 11))]
        for _ in range(trials)
    ]
    for texts in (*special, *drawn):
        yield [_generation(index, text) for index, text in enumerate(texts)]


def _generation(index: int, text: str) -> Generation:
    half = len(text) // 2
    pieces = (("base", text[:half]), ("aligned", text[half:])) if half else ()
    return Generation("p", "default", _PROMPT.id, index, text, "stop", len(text), half, pieces)


def _check_measures(metric: Metric, generations: Sequence[Generation]) -> None:
    given, state = list(generations), _global_state()
    value = _measured(metric, given)
    assert _global_state() == state, "measure() must not draw from the global random numbers"
    assert given == list(generations), "measure() must not change the texts"
    if isinstance(value, float):  # before it is compared: NaN equals nothing
        assert math.isfinite(value), (
            f"measure() must return a finite number or raise NotMeasured, not {value}"
        )
    assert _measured(metric, given) == value, "measure() must give the same value each time"
    if isinstance(value, str):
        assert value.strip(), "NotMeasured must say why"
        return
    assert isinstance(value, float), f"measure() must return a float, not {value!r}"
    low, high = metric.range
    assert low <= value <= high, f"measure() gave {value}, outside its range of {low} to {high}"


def _measured(metric: Metric, generations: Sequence[Generation]) -> Any:
    """Return the value, or the reason why there is none."""
    try:
        return metric.measure(generations, _PROMPT)
    except NotMeasured as reason:
        return str(reason)


def _global_state() -> tuple[object, ...]:
    state: Any = np.random.get_state()
    return random.getstate(), state[1].tobytes(), *state[2:]
