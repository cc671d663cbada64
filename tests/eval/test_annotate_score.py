"""What ratings say: means, preferences, agreement and correlations, and files that cannot be used."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import annotate_world as world
import numpy as np
import pytest
from annotate_world import ALL, SETTINGS, answers, export, keep, make_sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.cli import main
from baco_eval.annotate.correlate import over_places, over_settings, spearman
from baco_eval.annotate.estimates import averages, estimates, everyone
from baco_eval.annotate.key import Key
from baco_eval.annotate.ratings import read_ratings
from baco_eval.annotate.results import Scored, agreement, left_preferred, means, pairs, score
from baco_eval.intervals import resample

KEYS = [one.key for one in SETTINGS]
ORDER = {key: index for index, key in enumerate(KEYS)}


def by_order(one: tuple[str, str], scale: str) -> int:
    """Mark the first setting 1, the last 4; creativity a mark more."""
    return ORDER[one] + 1 + (scale == "creativity")


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return export(make_sweep(tmp_path / "sweep"), tmp_path / "out", "--settings", ALL, "--shared", "0.7")


def scored(tmp_path: Path, key: Key, *files: dict[str, Any]) -> Scored:
    paths = [keep(tmp_path / f"{number}.json", data) for number, data in enumerate(files)]
    return score(key, read_ratings(paths, key), 200)


def test_means_are_those_of_prompts_and_methods_of_several_settings_have_their_own(
    tmp_path: Path, key: Key
) -> None:
    found = scored(tmp_path, key, *(answers(key, rater, by_order) for rater in key.raters))
    rows = {(one.judgement, one.method, one.setting): one for one in means(found)}
    for (method, setting), place in ORDER.items():
        one = rows["diversity", method, setting]
        assert (one.found.value, one.found.low, one.found.high) == pytest.approx((place + 1,) * 3)
        assert rows["creativity", method, setting].found.value == pytest.approx(place + 2)
    assert rows["quality", "zebra", None].found.value == pytest.approx(1.5)
    assert ("quality", "walrus", None) not in rows
    assert rows["quality", "zebra", None].prompts == 6
    assert sum(rows["quality", *one].ratings for one in KEYS) == 2 * sum(map(len, key.raters.values()))


def test_a_prompt_counts_the_same_whatever_the_number_of_its_ratings(tmp_path: Path, key: Key) -> None:
    """One prompt is rated 5 by everybody, another 1 by one rater: the mean is 3."""
    files = [answers(key, rater, by_order) for rater in key.raters]
    first = key.raters["1"]
    shared = next(item for item in key.prompts if all(item in own for own in key.raters.values()))
    alone = next(
        item
        for item in first
        if key.prompts[item] != key.prompts[shared] and set(first[item]) & set(first[shared])
    )
    for file in files:
        kept = {shared: 5, **({alone: 1} if file["rater"] == "1" else {})}
        file["ratings"] = {item: file["ratings"][item] for item in kept}
        for item, mark in kept.items():
            for marks in file["ratings"][item]["sets"].values():
                marks.update(dict.fromkeys(marks, mark))
    found = scored(tmp_path, key, *files)
    both = set(first[alone]) & set(first[shared])
    for one in means(found):
        if (one.method, one.setting) in both and one.judgement == "diversity":
            assert one.found.value == pytest.approx(3)
            assert (one.prompts, one.ratings) == (2, 4)


def test_preferences_count_wins_and_halves(tmp_path: Path, key: Key) -> None:
    found = scored(tmp_path, key, *(answers(key, rater, by_order, KEYS) for rater in key.raters))
    rows = {(one.judgement, one.method, one.setting): one.found.value for one in means(found)}
    assert rows["preference", *KEYS[0]] == 1  # the first of KEYS is always preferred
    assert rows["preference", *KEYS[3]] == 0
    assert {one.found.value for one in pairs(found)} == {1.0}
    assert len(pairs(found)) == 6
    none = scored(tmp_path, key, *(answers(key, rater, by_order) for rater in key.raters))
    assert {one.found.value for one in pairs(none)} == {0.5}
    assert left_preferred(none).value is None
    assert left_preferred(none).why == "no preference was given"


def test_of_three_the_preferred_one_wins_twice_and_the_others_are_not_compared(tmp_path: Path) -> None:
    key = export(make_sweep(tmp_path / "sweep"), tmp_path / "out", "--columns", "3", "--raters", "1")
    order = [("walrus", "gamma=0.333")]
    found = scored(tmp_path, key, answers(key, "1", lambda *_: 3, order))
    assert {(one.one, one.other): one.found.value for one in pairs(found)} == {
        (("zebra", "gamma=0.222"), order[0]): 0.0,
        (order[0], ("ocelot", "default")): 1.0,
    }


def test_set_a_is_watched(tmp_path: Path, key: Key) -> None:
    file = answers(key, "1", by_order)
    for one in file["ratings"].values():
        one["preference"] = "A"
    assert left_preferred(scored(tmp_path, key, file)).value == 1


def test_raters_who_say_the_same_agree_fully_though_their_sides_differ(tmp_path: Path, key: Key) -> None:
    found = scored(tmp_path, key, *(answers(key, rater, by_order, KEYS) for rater in key.raters))
    assert [(one.level, one.found.value) for one in agreement(found)] == [
        *[("ordinal", 1.0)] * 3,
        ("nominal", 1.0),
    ]
    assert {one.found.low for one in agreement(found)} == {1.0}


def test_agreement_is_not_measured_with_one_rater_or_nothing_shared_or_no_difference(
    tmp_path: Path, key: Key
) -> None:
    alone = agreement(scored(tmp_path, key, answers(key, "1", by_order)))
    assert {(one.found.value, one.found.why) for one in alone} == {(None, "one rater; agreement takes two")}
    flat = agreement(scored(tmp_path, key, *(answers(key, r, lambda *_: 3) for r in key.raters)))
    assert {one.found.why for one in flat} == {"all answers are the same"}
    files = [answers(key, rater, by_order) for rater in ("1", "2")]
    files[1]["ratings"] = {i: x for i, x in files[1]["ratings"].items() if i not in files[0]["ratings"]}
    apart = agreement(scored(tmp_path, key, *files))
    assert {one.found.why for one in apart} == {"no two raters answered the same question"}


def test_answers_that_were_not_given_are_left_out(tmp_path: Path, key: Key) -> None:
    file = answers(key, "1", by_order, KEYS)
    for one in file["ratings"].values():
        one["preference"] = None
        for marks in one["sets"].values():
            marks["quality"] = None
    found = {one.judgement: one.found for one in means(scored(tmp_path, key, file))}
    assert found["quality"].value is None
    assert found["quality"].why == "not rated"
    assert found["preference"].value is None
    assert found["diversity"].value is not None


tables = st.integers(1, 5).flatmap(
    lambda prompts: st.lists(
        st.lists(st.one_of(st.just(np.nan), st.floats(-5, 5)), min_size=prompts, max_size=prompts),
        min_size=1,
        max_size=4,
    )
)


@given(tables)
def test_averages_are_those_of_what_is_there(rows: list[list[float]]) -> None:
    table = np.array(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmean(table, axis=1)
    assert averages(table, everyone(table.shape[1])) == pytest.approx(expected, nan_ok=True)


def test_an_interval_of_a_whole_row_is_the_percentiles_of_its_resampled_means() -> None:
    row = np.array([1.0, 4, 2, 5, 3, 3])
    shares = resample(6, 500)
    [found] = estimates(row[None], shares, "")
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(shares @ row, [0.025, 0.975])))
    [one] = estimates(np.array([[2.0, np.nan]]), resample(2, 50), "")
    assert (one.value, one.low, one.why) == (2, None, "one prompt: no interval")


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
def test_rank_correlation_is_that_of_scipy_with_holes_left_out(
    places: list[tuple[int, int, bool]],
) -> None:
    stats = pytest.importorskip("scipy.stats")
    one = np.array([[float(a) for a, _, _ in places]])
    other = np.array([[float(b) if there else np.nan for _, b, there in places]])
    both = np.isfinite(other[0])
    a, b = one[0][both], other[0][both]
    if both.sum() < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        assert np.isnan(spearman(one, other)[0])
    else:
        assert spearman(one, other)[0] == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


@settings(deadline=None)
@given(st.permutations([1.0, 4.0, 5.0, 5.0, 1.0, 3.0]), st.sampled_from([1.0, 0.1, -1 / 3]))
def test_means_of_the_same_marks_share_a_rank(order: list[float], unit: float) -> None:
    rated = np.array([[1, 4, 5, 5, 1, 3], order, [1, 2, 3, 1, 1, 1]]) * unit
    measured = np.array([[1.0], [2.0], [3.0]]) * np.ones(6)
    expected = pytest.importorskip("scipy.stats").spearmanr([2, 2, 1], [1, 2, 3]).statistic
    found = over_settings(rated, measured, np.full((1, 6), 1 / 6))
    assert found.value == pytest.approx(np.sign(unit) * expected)
    assert found.low == pytest.approx(found.value)


def test_correlation_over_settings_is_of_their_means_and_over_places_of_all() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    rated, measured = rng.normal(size=(2, 5, 8))
    rated[0, 3] = measured[2, 1] = np.nan
    rated[2, 1] = measured[0, 3] = 1000  # would be seen in a mean
    both = np.isfinite(rated) & np.isfinite(measured)
    shares = resample(8, 300)
    counts = np.rint(shares * 8).astype(int)
    drawn = np.stack([np.repeat(np.arange(8), row) for row in counts])
    held = [np.where(both, table, np.nan) for table in (rated, measured)]
    over = over_settings(rated, measured, shares)
    assert over.value == pytest.approx(stats.spearmanr(*(np.nanmean(t, axis=1) for t in held)).statistic)
    places = over_places(rated, measured, drawn)
    assert places.value == pytest.approx(stats.spearmanr(rated[both], measured[both]).statistic)
    by_hand = [
        stats.spearmanr(rated[:, row][both[:, row]], measured[:, row][both[:, row]]).statistic
        for row in drawn
    ]
    assert (places.low, places.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))


def test_correlation_of_two_settings_or_of_equal_values_is_not_measured() -> None:
    shares = resample(3, 20)
    assert over_settings(np.ones((2, 3)), np.ones((2, 3)), shares).why == "2 settings; it takes 3"
    assert over_settings(np.ones((4, 3)), np.ones((4, 3)), shares).why == "all settings are equal"
    assert over_places(np.ones((1, 2)), np.ones((1, 2)), np.array([[0, 1]])).why.startswith("2 settings and")


def run(folder: Path, *more: object) -> int:
    return main(["annotate", "score", str(folder), "--resamples", "50", *map(str, more)])


def test_the_command_shows_tables_and_writes_json_and_csv(
    tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    world.keep_scores(
        tmp_path / "sweep", "distinct-1", lambda one, number: ORDER[one.key] / 10 + number / 1000
    )
    world.keep_scores(tmp_path / "sweep", "repetition", lambda one, number: -ORDER[one.key])
    files = [keep(tmp_path / f"{r}.json", answers(key, r, by_order, KEYS)) for r in key.raters]
    capsys.readouterr()
    assert run(tmp_path / "out", *files) == 0
    told = capsys.readouterr()
    assert "3 of 3 raters, 30 of their 30 items begun, 6 prompts. The settings that were named." in told.out
    assert "zebra (all settings)" in told.out
    assert "diversity   ordinal  1.00 [1.00, 1.00]" in told.out
    out = tmp_path / "out" / "results"
    names = {"results.json", "means.csv", "preferences.csv", "agreement.csv", "correlations.csv"}
    assert (
        {Path(line).name for line in told.err.splitlines()} == {path.name for path in out.iterdir()} == names
    )
    data = json.loads((out / "results.json").read_text())
    assert data["correlations_not_measured"] is None
    rows = list(csv.DictReader(io.StringIO((out / "correlations.csv").read_text())))
    by = {(one["judgement"], one["metric"], one["over"]): float(one["value"]) for one in rows}
    assert by["diversity", "distinct-1", "settings"] == pytest.approx(1)
    assert by["preference", "distinct-1", "settings"] == pytest.approx(-1)
    assert by["diversity", "repetition", "settings and prompts"] == pytest.approx(-1)
    [first] = [
        one for one in data["means"] if (one["judgement"], one["setting"]) == ("diversity", "gamma=0.333")
    ]
    assert first["found"]["value"] == pytest.approx(3)


def test_scoring_is_the_same_each_time(tmp_path: Path, key: Key) -> None:
    file = keep(tmp_path / "1.json", answers(key, "1", by_order))
    for name in ("one", "two"):
        assert run(tmp_path / "out", file, "--out", tmp_path / name) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_without_scores_or_without_the_sweep_correlations_say_why(
    tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    file = keep(tmp_path / "1.json", answers(key, "1", by_order))
    assert run(tmp_path / "out", file) == 0
    out = capsys.readouterr().out
    assert "sweep has no scores; run baco score first" in out
    assert "- (one rater; agreement takes two)" in out
    (tmp_path / "sweep").rename(tmp_path / "moved")
    assert run(tmp_path / "out", file) == 0
    assert "name it with --sweep" in capsys.readouterr().out
    world.keep_scores(tmp_path / "moved", "distinct-1", lambda one, number: ORDER[one.key])
    assert run(tmp_path / "out", file, "--sweep", tmp_path / "moved") == 0
    assert "distinct-1  more" in capsys.readouterr().out


def first(data: dict[str, Any]) -> dict[str, Any]:
    """Return the first item's answer."""
    answer: dict[str, Any] = next(iter(data["ratings"].values()))
    return answer


def emptied(data: dict[str, Any]) -> None:
    data["ratings"] = {}


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda d: d.update(export="f" * 32), "1.json: these are ratings of another export (ffffffff, not "),
        (lambda d: d.update(rater="9"), "1.json: this export has no rater '9'; it has 1, 2, 3"),
        (lambda d: d.update(format=2), "1.json: format 2 is not known"),
        (lambda d: d.pop("rater"), "1.json: Object missing required field `rater`"),
        (lambda d: d["ratings"].update(x={}), "1.json: rater 1 has no item 'x'"),
        (lambda d: first(d)["sets"]["A"].update(quality=6), "set A: Expected `int` <= 5 - at `$.quality`"),
        (
            lambda d: first(d)["sets"]["B"].update(diversity=0),
            "set B: Expected `int` >= 1 - at `$.div",
        ),
        (lambda d: first(d)["sets"]["B"].update(diversity="3"), "set B: Expected `int | null`, got `str`"),
        (
            lambda d: first(d)["sets"]["A"].pop("creativity"),
            "set A: Object missing required field `cre",
        ),
        (lambda d: first(d)["sets"]["A"].update(fun=1), "set A: Object contains unknown field `fun`"),
        (lambda d: first(d)["sets"].pop("B"), "it must have sets A, B, not A; download the file"),
        (lambda d: first(d).update(preference="C"), "preference must be one of A, B, none, not 'C'"),
        (lambda d: first(d).pop("preference"), "Object missing required field `preference`"),
        (emptied, "no question is answered in these files"),
    ],
)
def test_wrong_ratings_are_one_clear_line(
    tmp_path: Path,
    key: Key,
    harm: Callable[[dict[str, Any]], object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = answers(key, "1", by_order)
    harm(data)
    capsys.readouterr()
    refused(run(tmp_path / "out", keep(tmp_path / "1.json", data)), message, capsys)
    assert not (tmp_path / "out" / "results").exists()


def refused(code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = capsys.readouterr()
    assert code == 2
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


def test_an_item_at_fault_is_named_by_its_number_on_the_page(
    tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    data = answers(key, "2", by_order)
    item = list(key.raters["2"])[4]
    data["ratings"][item]["sets"]["A"]["quality"] = 9
    capsys.readouterr()
    refused(
        run(tmp_path / "out", keep(tmp_path / "1.json", data)), f"item 5 ({item[:8]}), set A: Exp", capsys
    )


def test_files_and_folders_that_cannot_be_used_are_one_clear_line(
    tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    good = keep(tmp_path / "1.json", answers(key, "1", by_order))
    bad = tmp_path / "bad.json"
    bad.write_text('{"format": 1,')
    capsys.readouterr()
    out = tmp_path / "out"
    refused(run(tmp_path / "nowhere", good), "nowhere: this is no folder of baco annotate export", capsys)
    refused(run(out, tmp_path / "none.json"), "none.json: cannot read the file: No such file", capsys)
    refused(run(out, bad), "bad.json: malformed JSON: Input data was truncated; download the file", capsys)
    bad.write_text("[1]")
    refused(run(out, bad), "bad.json: Expected `object`, got `array`", capsys)
    same = keep(tmp_path / "again.json", answers(key, "1", by_order))
    refused(run(out, good, same), f"again.json: ratings of rater 1 are in {good} too; leave one out", capsys)
    other = make_sweep(tmp_path / "other", n=2)
    manifest = other / "manifest.json"
    manifest.write_text(manifest.read_text().replace("c" * 64, "d" * 64))
    refused(run(out, good, "--sweep", other), "other: this is not the sweep the texts came from", capsys)
    refused(run(out, good, "--sweep", tmp_path / "no"), "no: this is no sweep's folder", capsys)
    (tmp_path / "file").write_text("")
    refused(run(out, good, "--out", tmp_path / "file"), "file: cannot write the file", capsys)
    (out / "key.json").write_text('{"format": 1}')
    refused(run(out, good), "key.json: malformed key: Object missing required field", capsys)


def test_a_key_of_a_later_format_is_refused(
    tmp_path: Path, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out" / "key.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    capsys.readouterr()
    good = keep(tmp_path / "1.json", answers(key, "1", by_order))
    refused(run(tmp_path / "out", good), "key.json: format 2 is not known", capsys)
