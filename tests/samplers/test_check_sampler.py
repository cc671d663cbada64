"""Every rule of the conformance check, broken once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from baco_core.rows import Logits
from baco_core.testing.samplers import check_sampler

CALLS: list[int] = []


@dataclass(frozen=True)
class Made:
    """A sampler that filters by a function."""

    function: Callable[[Logits, Sequence[int]], Any]
    temperature: float = 1.0

    def filter(self, logits: Logits, history: Sequence[int]) -> Any:
        return self.function(logits, history)


def same(logits: Logits, history: Sequence[int]) -> Any:
    return logits


def wide(logits: Logits, history: Sequence[int]) -> Any:
    return logits.astype(np.float64)


def short(logits: Logits, history: Sequence[int]) -> Any:
    return logits[:-1].copy()


def nothing(logits: Logits, history: Sequence[int]) -> Any:
    return np.full_like(logits, -np.inf)


def risen(logits: Logits, history: Sequence[int]) -> Any:
    return np.full_like(logits, np.inf)


def unclear(logits: Logits, history: Sequence[int]) -> Any:
    return np.full_like(logits, np.nan)


def revived(logits: Logits, history: Sequence[int]) -> Any:
    return np.zeros_like(logits)


def listed(logits: Logits, history: Sequence[int]) -> Any:
    return logits.tolist()


def drawn(logits: Logits, history: Sequence[int]) -> Any:
    return logits.copy() if random.random() < 2 else logits  # noqa: S311


def moody(logits: Logits, history: Sequence[int]) -> Any:
    CALLS.append(0)
    return logits.copy() - np.float32(len(CALLS) % 2)


def forgetting(logits: Logits, history: Any) -> Any:
    history.clear()
    return logits.copy()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (same, "must return a new row"),
        (wide, "must return float32"),
        (short, "must keep the shape"),
        (nothing, "left no token"),
        (risen, r"returned \+inf"),
        (unclear, "returned NaN"),
        (revived, "gave a banned token"),
        (listed, "must return an array"),
        (drawn, "global random numbers"),
        (moody, "the same row each time"),
        (forgetting, "must not change the history"),
    ],
)
def test_each_broken_rule_is_named(function: Callable[[Logits, Sequence[int]], Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_sampler(Made(function))


def test_rows_cannot_be_written_to() -> None:
    def scribbling(logits: Logits, history: Sequence[int]) -> Any:
        logits[0] = 0
        return logits.copy()

    with pytest.raises(ValueError, match="read-only"):
        check_sampler(Made(scribbling))


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), float("inf")])
def test_the_temperature_must_be_a_number_from_zero(temperature: float) -> None:
    with pytest.raises(AssertionError, match=r"temperature must be|must equal it"):
        check_sampler(Made(lambda logits, history: logits.copy(), temperature))


def test_a_sampler_that_keeps_the_rules_passes() -> None:
    check_sampler(Made(lambda logits, history: logits.copy()))


def test_a_sampler_must_be_a_value() -> None:
    class Loose:
        temperature = 1.0

        def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
            return logits.copy()

    with pytest.raises(AssertionError, match="a sampler is a value"):
        check_sampler(Loose())
