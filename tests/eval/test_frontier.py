"""Coverage and Dominance."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ConfigError
from baco_eval.frontier import RULES, Bounds, Points, bounds, coverage, coverages, dominance, front, normalise

A = [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]
B = [(0.25, 0.75), (0.75, 0.75)]
C = [(0.75, 0.75), (0.2, 0.2)]

# Coarse values, so that points coincide and dominate one another often.
coarse = st.integers(0, 8).map(lambda eighths: eighths / 8)
fine = st.floats(0, 1)
plane = st.lists(st.tuples(coarse | fine, coarse | fine), min_size=1, max_size=9)
methods = st.dictionaries(st.sampled_from("abcdef"), plane, min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("points", "staircase", "trapezoid"),
    [(A, 0.25, 0.5), (B, 0.5625, 0.0), ([(1, 1)], 1.0, 0.0), ([(0, 0)], 0.0, 0.0), ([(0.5, 0.5)], 0.25, 0.0)],
)
def test_coverage_has_its_check_values(points: Any, staircase: float, trapezoid: float) -> None:
    assert coverage(points) == staircase
    assert coverage(points, rule="trapezoid") == trapezoid


@given(st.lists(st.lists(st.tuples(coarse, coarse), min_size=6, max_size=6), min_size=1, max_size=5))
def test_coverages_of_many_samples_are_those_of_each(samples: Any) -> None:
    for rule in RULES:
        each = [coverage(points, rule) for points in samples]
        assert coverages(np.array(samples), rule) == pytest.approx(each, abs=1e-12)


def test_dominance_has_its_check_values() -> None:
    assert front([*A, *B]).tolist() == [[0, 1], [0.75, 0.75], [1, 0]]
    assert dominance({"A": A, "B": B}) == pytest.approx({"A": 2 / 3, "B": 1 / 3})
    assert dominance({"A": A, "B": B}, by_size=True) == pytest.approx({"A": 4 / 7, "B": 3 / 7})
    assert dominance({"A": A, "B": B, "C": C}) == pytest.approx({"A": 2 / 3, "B": 1 / 6, "C": 1 / 6})


def test_two_settings_of_a_method_at_one_position_count_once_for_the_share_and_twice_for_the_size() -> None:
    twice = {"a": [(1, 0), (1, 0)], "b": [(1, 0), (0, 1)]}
    assert dominance(twice) == {"a": 0.25, "b": 0.75}
    assert dominance(twice, by_size=True) == {"a": 0.25, "b": 0.75}
    assert dominance({"a": [(1, 0), (1, 0)], "b": [(0, 1)]}, by_size=True) == pytest.approx(
        {"a": 1 / 3, "b": 2 / 3}
    )


def test_a_trapezoid_can_fall_when_a_setting_is_added_and_a_staircase_cannot() -> None:
    with_b = [*A, (0.75, 0.75)]
    assert coverage(with_b) > coverage(A)
    wide = [(0.0, 1.0), (1.0, 0.9)]
    assert coverage([*wide, (1.0, 1.0)], "trapezoid") == 0 < coverage(wide, "trapezoid")


@given(plane, st.tuples(coarse, coarse))
def test_staircase_coverage_is_monotone_and_bounded(points: list[tuple[float, float]], more: Any) -> None:
    before, after = coverage(points), coverage([*points, more])
    assert 0 <= before <= 1
    assert after >= before - 1e-12


@given(plane)
def test_coverage_agrees_with_the_hypervolume_of_moocore(points: list[tuple[float, float]]) -> None:
    moocore = pytest.importorskip("moocore")
    assert coverage(points) == pytest.approx(
        moocore.hypervolume(np.array(points), ref=[0, 0], maximise=True), abs=1e-12
    )


@given(plane)
def test_coverage_is_the_written_sum(points: list[tuple[float, float]]) -> None:
    rising = sorted(points)
    d = [0.0, *(point[0] for point in rising)]
    q = [point[1] for point in rising]
    written = sum((d[i + 1] - d[i]) * max(q[i:]) for i in range(len(q)))
    assert coverage(points) == pytest.approx(written, abs=1e-12)


@given(plane, st.randoms())
def test_order_and_repetition_of_settings_change_nothing(points: Any, random: Any) -> None:
    shuffled = [*points, points[0]]
    random.shuffle(shuffled)
    assert coverage(shuffled) == coverage(points)
    assert coverage(shuffled, "trapezoid") == coverage(points, "trapezoid")
    assert front(shuffled).tolist() == front(points).tolist()


@given(plane)
def test_a_front_is_what_no_other_point_dominates(points: list[tuple[float, float]]) -> None:
    free = {p for p in points if not any(o[0] >= p[0] and o[1] >= p[1] and o != p for o in points)}
    assert [tuple(row) for row in front(points).tolist()] == sorted(free)


@given(methods, st.booleans())
def test_shares_sum_to_one_and_are_those_of_a_plain_count(named: dict[str, Any], by_size: bool) -> None:
    pooled = [tuple(point) for points in named.values() for point in points]
    free = {p for p in pooled if not any(o[0] >= p[0] and o[1] >= p[1] and o != p for o in pooled)}
    worth = dict.fromkeys(named, 0.0)
    for position in free:
        there = [name for name, points in named.items() if position in points]
        for name in there:
            worth[name] += 1 / len(there) / (len(named[name]) if by_size else 1)
    shares = dominance(named, by_size=by_size)
    assert sum(shares.values()) == pytest.approx(1)
    assert all(0 <= share <= 1 for share in shares.values())
    assert shares == pytest.approx({name: value / sum(worth.values()) for name, value in worth.items()})


@given(methods, st.sampled_from([0.25, 4.0, 1024.0]), st.integers(-8, 8), st.integers(-8, 8))
def test_units_change_nothing(named: dict[str, Any], unit: float, shift_d: int, shift_q: int) -> None:
    """Powers of two and eighths, so that the change of units itself does not round."""
    eighths = {name: np.round(np.array(points) * 8) / 8 for name, points in named.items()}
    moved = {name: points * unit + [shift_d, shift_q] for name, points in eighths.items()}
    assert dominance(moved) == dominance(eighths)
    assert dominance(moved, by_size=True) == dominance(eighths, by_size=True)
    assert _coverages(moved) == pytest.approx(_coverages(eighths))


@given(methods, st.randoms())
def test_the_order_of_methods_changes_nothing(named: dict[str, Any], random: Any) -> None:
    names = list(named)
    random.shuffle(names)
    assert dominance({name: named[name] for name in names}) == pytest.approx(dominance(named))


def _coverages(named: dict[str, Points]) -> dict[str, float]:
    within = bounds(named)
    return {name: coverage(normalise(points, within)) for name, points in named.items()}


@given(methods)
def test_normalised_points_span_the_unit_square(named: dict[str, Any]) -> None:
    within = bounds(named)
    pooled = np.concatenate([normalise(points, within) for points in named.values()])
    assert pooled.min() >= 0
    assert pooled.max() <= 1
    for axis in (0, 1):
        flat = within.low[axis] == within.high[axis]
        assert pooled[:, axis].max() == (0 if flat else 1)
        assert pooled[:, axis].min() == 0


@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=6))
def test_any_finite_points_can_be_normalised(points: Any) -> None:
    within = bounds([points])
    assert 0 <= coverage(normalise(points, within)) <= 1


def test_a_range_of_zero_maps_to_zero() -> None:
    points = [(3.0, 1.0), (3.0, 2.0)]
    assert normalise(points, bounds([points])).tolist() == [[0, 0], [0, 1]]
    assert coverage(normalise(points, bounds([points]))) == 0


def test_bounds_can_be_stored_and_read_back() -> None:
    within = bounds({"a": [(0.1, -2.0), (1 / 3, 5.0)]})
    stored = msgspec.json.encode(within)
    assert stored == b'{"low":[0.1,-2.0],"high":[0.3333333333333333,5.0]}'
    assert msgspec.json.decode(stored, type=Bounds) == within


def test_points_outside_the_bounds_are_refused_or_put_on_the_edge() -> None:
    within = Bounds((0.0, 0.0), (2.0, 2.0))
    assert normalise([(3, -1), (1, 1)], within, clip=True).tolist() == [[1, 0], [0.5, 0.5]]
    with pytest.raises(ConfigError, match=r"row 0 is \(3, -1\), outside the bounds"):
        normalise([(3, -1)], within)


def test_a_setting_that_widens_the_range_moves_everyone() -> None:
    narrow, wide = bounds([A]), bounds([A, [(2.0, 2.0)]])
    assert coverage(normalise(A, narrow)) == 0.25
    assert coverage(normalise(A, wide)) == 0.0625


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "empty; there must be at least one setting"),
        (np.zeros((0, 2)), "empty; there must be at least one setting"),
        ([(0.5, float("nan"))], r"row 0 is \(0.5, nan\); leave out"),
        ([(0.5, 0.5), (float("inf"), 0)], r"row 1 is \(inf, 0\)"),
        ([(0.5, 1.5)], r"outside \[0, 1\]; normalise first"),
        ([(-0.1, 0.5)], r"outside \[0, 1\]"),
        ([0.5, 0.5], r"shape \(2,\); it must be \(s, 2\)"),
        ([(1, 2, 3)], r"shape \(1, 3\)"),
        ([("a", "b")], "not an array of numbers"),
        ([(1, 2), (3,)], "not an array of numbers"),
    ],
)
def test_bad_points_are_refused_in_one_line(points: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        coverage(points)
    assert "\n" not in str(error.value)


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown rule 'stairs'. .*Available: staircase, trapezoid"):
        coverage(A, rule="stairs")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no method"):
        dominance({})
    with pytest.raises(ConfigError, match="no method"):
        bounds([])
    with pytest.raises(ConfigError, match="method 'p': row 1"):
        dominance({"p": [(0, 0), (0, float("nan"))]})
    with pytest.raises(ConfigError, match="low <= high"):
        Bounds((1.0, 0.0), (0.0, 1.0))
