"""The search for a rung: on made step functions it finds the nearest, and measures little for it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_eval.calibrate.search import RUNGS, ladder, nearest, search

SHARES = st.floats(0, 1)


@st.composite
def steps(draw: st.DrawFn) -> list[float]:
    """Return shares along a ladder: rising or falling, with flat stretches and jumps."""
    values = sorted(draw(st.lists(st.sampled_from(draw(st.lists(SHARES, min_size=1))), min_size=1)))
    return values[::-1] if draw(st.booleans()) else values


class Counted:
    """Looks up shares and counts the look-ups."""

    def __init__(self, values: list[float]) -> None:
        self.values = values
        self.asked: list[int] = []

    def __call__(self, rung: int) -> float:
        self.asked.append(rung)
        return self.values[rung]


@given(steps(), SHARES)
def test_no_rung_is_nearer_than_the_one_found(values: list[float], wanted: float) -> None:
    found = search(Counted(values), len(values), wanted)
    assert abs(values[found] - wanted) == min(abs(value - wanted) for value in values)


@given(steps(), SHARES)
def test_few_rungs_are_measured_and_none_twice(values: list[float], wanted: float) -> None:
    measure = Counted(values)
    search(measure, len(values), wanted)
    assert len(set(measure.asked)) == len(measure.asked)
    assert len(measure.asked) <= 2 + 2 * math.log2(max(len(values), 2))


@given(st.lists(SHARES, min_size=1), SHARES, SHARES, st.integers(2, 9))
def test_the_nearest_of_what_was_measured_is_returned_whatever_the_curve(
    values: list[float], wanted: float, near: float, most: int
) -> None:
    measure = Counted(values)
    found = search(measure, len(values), wanted, near, most)
    assert len(measure.asked) <= most
    assert found == nearest({rung: values[rung] for rung in measure.asked}, wanted)


@given(steps(), SHARES, SHARES)
def test_a_search_that_may_end_near_ends_near_or_at_the_nearest(
    values: list[float], wanted: float, near: float
) -> None:
    off = abs(values[search(Counted(values), len(values), wanted, near)] - wanted)
    assert off <= max(near, min(abs(value - wanted) for value in values))


@pytest.mark.parametrize("values", [[0.0, 0.4, 0.7], [0.7, 0.4, 0.0]])
@pytest.mark.parametrize(("wanted", "share"), [(0.9, 0.7), (0.7, 0.7), (0.0, 0.0)])
def test_what_is_beyond_the_ends_or_at_them_is_told_by_the_ends_alone(
    values: list[float], wanted: float, share: float
) -> None:
    measure = Counted(values)
    assert values[search(measure, 3, wanted)] == share
    assert measure.asked == [0, 2]


def test_a_straight_line_is_met_at_once() -> None:
    measure = Counted([rung / 100 for rung in range(101)])
    assert search(measure, 101, 0.37) == 37
    assert measure.asked == [0, 100, 37]


def test_a_ladder_needs_a_rung() -> None:
    assert search(lambda rung: 0.5, 1, 0.1) == 0
    with pytest.raises(ValueError, match="a search needs a rung, not 0"):
        search(lambda rung: 0.5, 0, 0.1)


FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(st.lists(FINITE), FINITE, FINITE)
def test_ladders_rise_from_end_to_end(signals: list[float], one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    rungs = ladder(signals, low, high)
    assert rungs == tuple(sorted(set(rungs)))
    assert (rungs[0], rungs[-1]) == (low, high)
    assert len(rungs) <= RUNGS + 2


def test_rungs_are_quantiles_of_the_signals() -> None:
    rungs = ladder([0.0, 1.0, 2.0, 10.0, math.inf], -math.inf, math.inf, 4)
    assert rungs == (-math.inf, 0, 1, 2, 10, math.inf)
    entropies = [index**3 / 7 for index in range(1000)]
    inner = ladder(entropies, 0, math.inf)[1:-1]
    below = [sum(entropy < rung for entropy in entropies) / 1000 for rung in inner]
    gaps = [after - before for before, after in pairwise(below)]
    assert max(gaps) < 2 / RUNGS


def test_without_signals_steps_are_even_or_powers_of_ten() -> None:
    assert ladder([], 0, 1, 5) == (0, 0.25, 0.5, 0.75, 1)
    rungs = ladder([], -math.inf, math.inf, 20)
    assert {0.0, 0.001, -1e6, 1e6} <= set(rungs)
    assert ladder([], 0, math.inf, 20)[:2] == (0, 0.001)
