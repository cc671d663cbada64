"""Bootstrap intervals over prompts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from baco_core.errors import ConfigError, LookUpError
from baco_eval.frontier import coverage, dominance, normalise
from baco_eval.intervals import (
    Interval,
    Plane,
    Resampled,
    Statistic,
    average,
    bootstrap,
    by_group,
    everywhere,
    resample,
)


def made(seed: int = 0, prompts: int = 12, **settings: int) -> Plane:
    """Return a plane of random values, `method=number of settings`."""
    rng = np.random.default_rng(seed)
    return Plane({name: rng.random((count, prompts, 2)) for name, count in settings.items()})


def test_a_resample_draws_as_many_prompts_with_replacement() -> None:
    shares = resample(prompts=5, count=200, seed=3)
    assert shares.shape == (200, 5)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert np.allclose(shares * 5, np.round(shares * 5))
    assert shares.mean(axis=0) == pytest.approx([0.2] * 5, abs=0.05)
    assert (shares == resample(5, 200, 3)).all()
    assert (shares != resample(5, 200, 4)).any()


def test_the_interval_of_a_mean_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(size=40)
    ours = bootstrap(lambda shares: {"m": float(shares @ values)}, 40, 4000, 0).interval("m")
    theirs = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1)
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.03)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.03)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    def mean_of(values: NDArray[np.float64]) -> Statistic:
        return lambda shares: {"m": float(shares @ values)}

    rng = np.random.default_rng(2)
    found = [bootstrap(mean_of(rng.normal(size=50)), 50, 200, trial).interval("m") for trial in range(200)]
    assert 0.88 <= np.mean([interval.low <= 0 <= interval.high for interval in found]) <= 0.99


def test_the_same_resample_is_used_for_all_methods() -> None:
    """A method that is better by the same on every prompt is better by that in every resample."""
    values = np.random.default_rng(0).random(20)
    result = bootstrap(lambda s: {"a": float(s @ values), "b": float(s @ (values - 0.25))}, 20, 300)
    difference = result.difference("a", "b")
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.25, 0.25, 0.25))
    own = result.interval("a")
    assert own.high - own.low > 0.05


def test_coverage_and_dominance_of_the_full_sample_are_those_of_the_points() -> None:
    plane = made(a=4, b=3)
    means = {name: values.mean(axis=1) for name, values in plane.methods.items()}
    covered, shares = plane.coverage(50), plane.dominance(50)
    for name, points in means.items():
        assert covered.values[name] == pytest.approx(coverage(normalise(points, plane.bounds, clip=True)))
    assert shares.values == pytest.approx(dominance(means))
    assert sum(shares.samples.values()) == pytest.approx(np.ones(50))


def test_the_bounds_of_the_full_sample_stay() -> None:
    """With bounds of its own, a resample of two settings would always span the whole square."""
    plane = Plane({"a": np.array([[[0.0, 1.0], [0.2, 0.8]], [[1.0, 0.0], [0.6, 0.4]]])})
    found = plane.coverage(64, seed=1)
    frozen = plane.bounds
    only_first = coverage(normalise(plane.points(np.array([1.0, 0.0]))["a"], frozen, clip=True))
    only_second = coverage(normalise(plane.points(np.array([0.0, 1.0]))["a"], frozen, clip=True))
    both = coverage(normalise(plane.points(np.array([0.5, 0.5]))["a"], frozen))
    assert set(np.round(found.samples["a"], 9)) == {round(v, 9) for v in (only_first, only_second, both)}
    assert only_second != only_first


def test_dominance_looks_at_the_points_themselves_which_clipping_would_make_alike() -> None:
    wide = Plane({"a": np.array([[[5.0, 5.0], [0.0, 0.0]]]), "b": np.array([[[4.0, 4.0], [0.9, 0.9]]])})
    found = wide.dominance(50)
    assert found.values == {"a": 1.0, "b": 0.0}
    assert set(found.samples["a"]) == {0.0, 1.0}  # 0.5 would be a tie on the edge


@given(st.integers(0, 50))
def test_intervals_hold_what_they_must(seed: int) -> None:
    plane = made(seed, prompts=6, a=2, b=2)
    for result in (plane.coverage(20, seed), plane.dominance(20, seed, by_size=True)):
        interval = result.interval("a")
        assert 0 <= interval.low <= interval.high <= 1
        there, back = result.difference("a", "b"), result.difference("b", "a")
        assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
        assert result.difference("a", "a") == Interval(0, 0, 0)


@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 9))
def test_equal_settings_tie_in_every_resample_wherever_they_stand(seed: int, prompts: int, more: int) -> None:
    """The end points of routers are a model alone: that tie must not be broken by rounding."""
    rng = np.random.default_rng(seed)
    alone = rng.random((1, prompts, 2)) + 1
    plane = Plane({"alone": alone, "router": np.concatenate([rng.random((more, prompts, 2)), alone])})
    shares = plane.dominance(20, seed)
    assert set(shares.samples["alone"]) == {0.5}
    for weights in resample(prompts, 5, seed):
        points = plane.points(weights)
        assert (points["alone"][0] == points["router"][-1]).all()
        assert points["alone"][0] == pytest.approx((weights[:, None] * alone[0]).sum(axis=0))


@given(st.permutations([1.0, 2.0, 3.0, 1.0, 2.0, 1.0, 3.0]), st.sampled_from([1.0, 0.1, 1 / 3, -7e9, 1e300]))
def test_means_of_the_same_values_tie_whichever_prompts_have_them(order: list[float], unit: float) -> None:
    """Whole numbers, such as distinct-k, tie often: rounding must neither break it nor make a range."""
    values = np.array([[[value, 1.0] for value in (1, 2, 3, 1, 2, 1, 3)]]) * unit
    moved = np.array([[[value, 1.0] for value in order]]) * unit
    plane = Plane({"a": values, "b": moved})
    assert plane.bounds.low == plane.bounds.high
    assert plane.coverage(1).values == {"a": 0, "b": 0}
    assert plane.dominance(1).values == {"a": 0.5, "b": 0.5}
    assert plane.points(np.full(7, 1 / 7))["a"] == pytest.approx(values.mean(axis=1))


def test_planes_average_to_groups_resample_by_resample() -> None:
    first, second = made(1, a=2, b=3).coverage(30), made(2, a=2, b=3).coverage(30)
    mean = average([first, second])
    assert mean.values["a"] == pytest.approx((first.values["a"] + second.values["a"]) / 2)
    assert mean.samples["b"] == pytest.approx((first.samples["b"] + second.samples["b"]) / 2)


def test_the_overall_mean_is_that_of_the_groups_and_not_of_the_planes() -> None:
    one, two, three = (Resampled({"m": value}, {"m": np.full(3, value)}) for value in (0.2, 0.4, 0.9))
    planes = {("distinct-1", "reward"): one, ("ead", "reward"): two, ("vendi", "reward"): three}
    groups = {"distinct-1": "lexical", "ead": "lexical", "vendi": "semantic", "length": "other"}
    means = by_group(planes, groups)
    assert {group: result.values["m"] for group, result in means.items()} == pytest.approx(
        {"lexical": 0.3, "semantic": 0.9, "overall": 0.6}
    )
    assert means["overall"].samples["m"] == pytest.approx([0.6] * 3)
    assert list(by_group({("vendi", "reward"): three}, groups)) == ["semantic"]
    with pytest.raises(ConfigError, match="'length' is no lexical or semantic one"):
        by_group({("length", "reward"): one}, groups)


def test_one_prompt_has_an_interval_of_no_width() -> None:
    result = made(prompts=1, a=3).coverage(10).interval("a")
    assert result.low == result.high == result.value


def test_prompts_that_are_not_measured_everywhere_are_found_and_refused() -> None:
    values = np.random.default_rng(0).random((3, 4, 2))
    values[1, 2, 0] = np.nan
    assert everywhere(values).tolist() == [True, True, False, True]
    with pytest.raises(ConfigError, match="method 'a': setting 1, prompt 2 is not measured"):
        Plane({"a": values})
    assert Plane({"a": values[:, everywhere(values)]}).prompts == 3


def test_bad_input_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="no method"):
        Plane({})
    with pytest.raises(ConfigError, match=r"shape \(2, 2\)"):
        Plane({"a": np.zeros((2, 2))})
    with pytest.raises(ConfigError, match=r"unlike numbers of prompts \(a 2, b 3\)"):
        Plane({"a": np.zeros((1, 2, 2)), "b": np.zeros((1, 3, 2))})
    with pytest.raises(ConfigError, match="needs a prompt or more, not 0"):
        bootstrap(lambda shares: {"a": 0.0}, 0)
    with pytest.raises(LookUpError, match=r"unknown method 'aa'\. Did you mean 'a'"):
        made(a=1).coverage(2).difference("a", "aa")
    with pytest.raises(ConfigError, match="level of an interval"):
        made(a=1).coverage(2).interval("a", level=1)
    with pytest.raises(ConfigError, match="nothing to average"):
        average([])
    with pytest.raises(ConfigError, match="unlike methods or resamples"):
        average([made(a=1).coverage(2), made(b=1).coverage(2)])
    assert isinstance(made(a=1).coverage(2), Resampled)
