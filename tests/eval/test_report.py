"""Results say what scores say: points, planes, Coverage, Dominance, and what is compared with what."""

from __future__ import annotations

import dataclasses

import pytest
from report_world import (
    AS_B,
    DISTINCT,
    KINDS,
    POINTS,
    REWARD,
    SETTINGS,
    diversity,
    measure,
    quality,
    report,
)

from baco_core.errors import ConfigError
from baco_eval.records import Setting
from baco_eval.report.comparison import MATCHED, NUDGING, RANDOM, apart_of, differences, lacking, reference_of
from baco_eval.report.measure import Measure
from baco_eval.report.number import number
from baco_eval.report.results import compute
from baco_eval.report.samples import alike


def test_coverage_and_dominance_are_those_computed_by_hand() -> None:
    plane = report().planes["distinct-1", "reward"]
    assert plane.bounds.low == (0, 0)
    assert plane.bounds.high == (1, 1)
    assert plane.statistics["coverage"].values == pytest.approx({"a": 0.25, "b": 0.5625})
    assert plane.statistics["dominance"].values == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert plane.statistics["dominance_by_size"].values == pytest.approx({"a": 4 / 7, "b": 3 / 7})


def test_the_trapezoid_rule_gives_its_own_coverage() -> None:
    results = compute(SETTINGS, [DISTINCT, REWARD], "trapezoid", 5)
    assert results.planes["distinct-1", "reward"].statistics["coverage"].values == pytest.approx(
        {"a": 0.5, "b": 0}
    )


def test_groups_are_averaged_and_then_their_means() -> None:
    flat = measure("vendi", "semantic", lambda one, prompt: 3.0)
    means = report(DISTINCT, flat, REWARD).means["coverage"]
    assert list(means) == ["lexical", "semantic", "overall"]
    assert means["overall"].values == pytest.approx({"a": 0.125, "b": 0.28125})


def test_a_metric_of_which_less_is_better_is_turned() -> None:
    turned = measure("perplexity", "quality", lambda one, prompt: 10 - quality(one, prompt), -1)
    plane = report(DISTINCT, turned).planes["distinct-1", "perplexity"]
    assert plane.statistics["coverage"].values == pytest.approx({"a": 0.25, "b": 0.5625})
    assert plane.bounds.low[1] == -10
    assert report(DISTINCT, turned).averages[("a", "gamma=1"), "perplexity"].value == 10


def test_without_a_quality_another_metric_with_a_direction_stands_in_and_is_named() -> None:
    form = measure("format", "other", quality)
    constant = measure("ended", "other", lambda one, prompt: 1.0)
    length = measure("length", "other", diversity, 0)
    results = report(DISTINCT, constant, form, length)
    assert results.stand_in == "format"
    assert list(results.planes) == [("distinct-1", "format")]
    assert any("format stands in" in note for note in results.notes)


def test_without_anything_to_stand_in_there_is_no_plane_and_it_is_said() -> None:
    results = report(DISTINCT, measure("length", "other", diversity, 0))
    assert not results.planes
    assert any("no plane" in note for note in results.notes)


def test_a_proxy_makes_planes_only_where_what_it_stands_for_was_not_measured() -> None:
    proxy = dataclasses.replace(measure("relevance", "quality", quality), proxy_for="reward")
    beside = report(DISTINCT, REWARD, proxy)
    assert list(beside.planes) == [("distinct-1", "reward")]
    assert "relevance makes no plane: it is a proxy for reward, which was measured." in beside.notes
    unmeasured = measure("reward", "quality", lambda one, prompt: None)
    assert list(report(DISTINCT, unmeasured, proxy).planes) == [("distinct-1", "relevance")]


def test_planes_are_of_the_prompts_that_all_metrics_have_everywhere() -> None:
    holed = measure("nli", "semantic", lambda one, i: None if (one.id, i) == ("gamma=0.5", 1) else 0.5 + i)
    results = report(DISTINCT, holed, REWARD)
    assert results.prompts == ["fox", "king"]
    assert results.measures["nli"].reasons == {"no <model>.": 1}
    assert any("2 of 3 prompts" in note for note in results.notes)


def test_a_metric_that_one_setting_lacks_makes_no_plane() -> None:
    holed = measure("nli", "semantic", lambda one, i: None if one.id == "gamma=0.5" else 0.5)
    results = report(DISTINCT, holed, REWARD)
    assert list(results.planes) == [("distinct-1", "reward")]
    assert any(note.startswith("nli makes no plane") for note in results.notes)
    assert (("a", "gamma=0.5"), "nli") not in results.averages


def test_intervals_hold_the_value() -> None:
    for one in report().averages.values():
        assert one.low <= one.value + 1e-12
        assert one.value <= one.high + 1e-12


def test_a_method_that_is_not_finished_is_refused_or_left_out() -> None:
    more = [*SETTINGS, Setting("nudging", "gamma=0.4")]
    with pytest.raises(ConfigError, match=r"method 'nudging' has no finished .* --partial"):
        report(settings=more)
    results = report(settings=more, partial=True)
    assert list(results.methods) == ["a", "b"]
    assert "Left out, since no prompt of theirs is finished: nudging (gamma=0.4)." in results.notes


def test_a_setting_that_is_not_finished_is_named() -> None:
    with pytest.raises(ConfigError, match=r"setting 'gamma=0\.9' of 'a' has no finished"):
        report(settings=[*SETTINGS, Setting("a", "gamma=0.9")])


def test_a_single_setting_no_score_and_equal_points_are_refused() -> None:
    one = SETTINGS[:1]
    with pytest.raises(ConfigError, match=r"single setting \(a gamma=0\)"):
        report(measure("distinct-1", "lexical", diversity, settings=one), settings=one)
    with pytest.raises(ConfigError, match="no score"):
        report(Measure("reward", 1, "quality", "", "", []))
    same = [measure(n, g, lambda s, i: 1.0) for n, g in (("ead", "lexical"), ("reward", "quality"))]
    with pytest.raises(ConfigError, match="same diversity and quality"):
        report(*same)


WITH_CONTROL = [*SETTINGS, *AS_B]


def with_others(*settings: Setting) -> list[Measure]:
    every = [*WITH_CONTROL, *settings]
    return [
        measure("distinct-1", "lexical", diversity, settings=every),
        measure("distinct-k", "semantic", diversity, settings=every),
        measure("reward", "quality", quality, settings=every),
    ]


def test_controls_count_for_bounds_and_coverage_but_hold_no_share_of_the_front() -> None:
    results = report(*with_others(), settings=WITH_CONTROL)
    plane = results.planes["distinct-1", "reward"]
    assert results.controls == {"rand-as-b"}
    assert plane.bounds.high == (1, 1.5)
    assert plane.statistics["coverage"].values == pytest.approx({"a": 1 / 6, "b": 3 / 8, "rand-as-b": 1 / 2})
    assert plane.statistics["dominance"].values == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert plane.statistics["dominance_by_size"].values == pytest.approx({"a": 4 / 7, "b": 3 / 7})


def test_a_method_is_compared_with_the_control_that_matches_it() -> None:
    results = report(*with_others(), settings=WITH_CONTROL)
    assert reference_of(results, MATCHED) == {"b": "rand-as-b"}
    for group in ("lexical", "semantic", "overall"):
        found = differences(results, "coverage", group, MATCHED)
        assert found["b"].value == pytest.approx(-1 / 8)
        assert found["b"].low <= found["b"].value <= found["b"].high
    assert differences(results, "dominance", "lexical", MATCHED) == {}


def test_differences_are_taken_resample_by_resample() -> None:
    results = report(*with_others(), settings=WITH_CONTROL)
    mean = results.means["coverage"]["overall"]
    apart = mean.samples["b"] - mean.samples["rand-as-b"]
    found = differences(results, "coverage", "overall", MATCHED)["b"]
    assert (found.low, found.high) == pytest.approx((min(apart), max(apart)), abs=0.02)


def test_the_random_router_and_nudging_are_found_by_name_or_by_router() -> None:
    chance = Setting("chance", "gamma=0.5", {"router": {"use": "rand"}})
    nudged = Setting("nudging", "gamma=0.3", {"router": {"use": "nudging"}})
    POINTS.update({chance.key: (0.1, 0.1), nudged.key: (0.2, 0.2)})
    results = report(*with_others(chance, nudged), settings=[*WITH_CONTROL, chance, nudged])
    assert reference_of(results, RANDOM) == {"a": "chance", "b": "chance", "nudging": "chance"}
    assert reference_of(results, NUDGING) == {"a": "nudging", "b": "nudging", "chance": "nudging"}
    coverage = results.means["coverage"]["overall"].values
    found = differences(results, "coverage", "overall", NUDGING)
    assert found["a"].value == pytest.approx(coverage["a"] - coverage["nudging"])


def test_controls_that_were_not_swept_are_told() -> None:
    told = " ".join(lacking(report(*with_others(), settings=WITH_CONTROL)))
    assert "No control was swept for a:" in told
    assert "no random router (rand)" in told
    assert "Nudging was not swept" in told


def test_who_has_one_source_alone_needs_no_control() -> None:
    share = measure("base-share", "other", lambda one, i: 0.0 if one.method == "a" else 0.5, 0)
    told = " ".join(lacking(report(DISTINCT, KINDS, REWARD, share)))
    assert "No control was swept for b:" in told


def test_how_near_controls_come_is_told() -> None:
    share = measure("base-share", "other", lambda one, i: 0.3 + (one in AS_B) / 32, 0, settings=WITH_CONTROL)
    results = report(*with_others(), share, settings=WITH_CONTROL)
    assert [apart_of(results, one) for one in WITH_CONTROL] == [None] * 5 + [pytest.approx(1 / 32)] * 2
    assert apart_of(report(*with_others(), settings=WITH_CONTROL), AS_B[0]) is None


def test_controls_alone_are_refused() -> None:
    measures = [measure("distinct-1", "lexical", diversity, settings=AS_B)]
    with pytest.raises(ConfigError, match="only controls are finished"):
        report(*measures, settings=WITH_CONTROL, partial=True)


def test_texts_are_shown_at_about_half_of_each_model() -> None:
    share = measure("base-share", "other", lambda one, i: float(one.id.partition("=")[2]), 0)
    assert [one.key for one in alike(report(DISTINCT, share))] == [("a", "gamma=0.5"), ("b", "gamma=0.6")]
    assert [one.key for one in alike(report(DISTINCT, REWARD))] == [("a", "gamma=0.5"), ("b", "gamma=0.6")]


def test_numbers_are_short() -> None:
    shown = [number(x) for x in (0, -0.0, 0.01254, -1.5, 1324.4, 2.5e-7, 3e6)]
    assert shown == ["0", "0", "0.0125", "−1.5", "1324", "2.5e−7", "3e6"]
