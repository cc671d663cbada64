"""Krippendorff's alpha against his published example and the definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_eval.annotate.agreement import Level, alpha, coincidences

OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
"""The reliability data of Krippendorff 2011, section D: four observers, twelve units."""
UNITS = [[mark - 1 for mark in unit if mark is not None] for unit in zip(*OBSERVERS, strict=True)]


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_is_that_of_the_published_example(level: Level, published: float) -> None:
    assert float(alpha(coincidences(UNITS, 5), level)) == pytest.approx(published, abs=5e-4)


def test_the_published_coincidences_and_their_sums_come_out() -> None:
    met = coincidences(UNITS, 5)
    assert met.sum(axis=0) == pytest.approx([9, 13, 10, 5, 3])
    assert met[0] == pytest.approx([7, 4 / 3, 1 / 3, 1 / 3, 0])
    assert met == pytest.approx(met.T)


def by_definition(units: list[list[int]], level: str) -> float:
    """Return alpha from pairs of values, one by one, with the differences as Krippendorff writes them."""
    paired = [unit for unit in units if len(unit) > 1]
    values = [value for unit in paired for value in unit]

    def apart(c: int, k: int) -> float:
        low, high = min(c, k), max(c, k)
        if level == "nominal":
            return float(c != k)
        if level == "interval":
            return float(c - k) ** 2
        between = sum(low <= value <= high for value in values)
        return (between - (values.count(low) + values.count(high)) / 2) ** 2

    observed = sum(apart(a, b) / (len(unit) - 1) for unit in paired for a, b in permutations(unit, 2))
    expected = sum(apart(a, b) for a, b in permutations(values, 2)) / max(len(values) - 1, 1)
    return 1 - observed / expected if expected else float("nan")


@given(
    st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=8),
    st.sampled_from(("nominal", "ordinal", "interval")),
)
def test_alpha_is_that_of_the_definition(units: list[list[int]], level: Level) -> None:
    met = coincidences(units, 5)
    assert float(alpha(met, level)) == pytest.approx(by_definition(units, level), nan_ok=True, abs=1e-9)


def test_alpha_is_nan_where_nobody_met_or_all_are_equal() -> None:
    assert np.isnan(alpha(coincidences([[1], [2], []], 5), "ordinal"))
    assert np.isnan(alpha(coincidences([[1, 1], [1, 1]], 5), "nominal"))


def test_many_are_computed_at_once() -> None:
    one, other = coincidences(UNITS, 5), coincidences([[0, 1], [1, 1]], 5)
    both = alpha(np.stack([one, other]), "ordinal")
    assert both.tolist() == [float(alpha(one, "ordinal")), float(alpha(other, "ordinal"))]
