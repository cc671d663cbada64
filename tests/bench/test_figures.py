"""Medians, quartiles, and figures that could not be taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.bench.figures import NotMeasured, Spread, spread

values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def test_a_spread_holds_the_median_and_the_quartiles() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0, 5.0]) == Spread(3.0, 2.0, 4.0, 5)


def test_one_value_is_its_own_spread() -> None:
    assert spread([7.0]) == Spread(7.0, 7.0, 7.0, 1)


@given(values)
def test_the_median_lies_between_the_quartiles_and_they_among_the_values(values: list[float]) -> None:
    found = Spread.of(values)
    assert min(values) <= found.lower + 1e-6
    assert found.lower <= found.median + 1e-6
    assert found.median <= found.upper + 1e-6
    assert found.upper <= max(values) + 1e-6


def test_what_was_not_measured_is_left_out_where_something_was() -> None:
    assert spread([NotMeasured("too short"), 2.0]) == Spread(2.0, 2.0, 2.0, 1)


@pytest.mark.parametrize(
    ("seen", "reason"), [([NotMeasured("too short")], "too short"), ([], "no run was finished")]
)
def test_where_nothing_was_measured_stands_why(seen: list[float | NotMeasured], reason: str) -> None:
    assert spread(seen) == NotMeasured(reason)
    assert str(spread(seen)) == f"not measured: {reason}"
