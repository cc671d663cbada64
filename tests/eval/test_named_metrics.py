"""Metrics named in YAML: which are measured, with what options, and where their scores go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from baco_core.cli import main
from baco_core.errors import BacoError, ConfigError
from baco_core.plugins import load_plugins
from baco_eval.metrics.lexical import Distinct1
from baco_eval.metrics.named import MetricConfig, metrics_in
from baco_eval.report.read import read
from baco_eval.scoring.choice import Chosen, choose
from baco_eval.scoring.record import ScoreRecord, metric_of, read_record, write_record
from baco_eval.scoring.score import read_scores
from baco_eval.sweep.config import identity, load_sweep, sweep_data, sweep_from_data
from baco_eval.sweep.manifest import read_manifest

PLUGINS = load_plugins(only=("metrics", "tasks", "backends", "bundles"))
KNOWN = {"words": 7, "pair": ("tiny:base", "tiny:aligned")}
SHORT = MetricConfig("distinct-1", {"words": 3}, "distinct-1-short")


def chosen(*metrics: MetricConfig, wanted: tuple[str, ...] = ()) -> dict[str, Chosen]:
    return {one.name: one for one in choose(metrics, wanted, PLUGINS, KNOWN, "m.yaml")}


def test_without_a_list_every_registered_metric_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    found = chosen()
    assert sorted(found) == PLUGINS.metrics.names()
    assert "baco export --encoder" in found["vendi"].unavailable
    assert not found["distinct-1"].unavailable


def test_a_list_says_which_and_with_what_options_and_the_rest_is_filled_in() -> None:
    found = chosen(SHORT, MetricConfig("distinct-1"), MetricConfig("ead"))
    assert list(found) == ["distinct-1-short", "distinct-1", "ead"]
    assert found["distinct-1-short"].metric == Distinct1(3)
    assert found["distinct-1"].metric == Distinct1(7)
    assert found["ead"].record == ScoreRecord("ead", {"words": 7, "vocabulary": 30_000})


def test_names_on_the_command_line_are_those_of_the_list_or_of_metrics() -> None:
    found = chosen(SHORT, MetricConfig("ead", {"vocabulary": 99}), wanted=("ead", "length"))
    assert found["ead"].record.options["vocabulary"] == 99
    assert list(found) == ["ead", "length"]


@pytest.mark.parametrize(
    ("metrics", "wanted", "message"),
    [
        (
            [MetricConfig("distinct-3")],
            (),
            r"m\.yaml: metrics\[0\]\.use: unknown metric 'distinct-3'.*distinct",
        ),
        ([MetricConfig("ead", {"word": 3})], (), r"m\.yaml: metrics\[0\]\.options: unknown key 'word'"),
        ([MetricConfig("ead", {"words": -3})], (), r"m\.yaml: metrics\[0\]\.options\.words"),
        (
            [MetricConfig("ead", {}, "length")],
            (),
            r"metrics\[0\]\.label: 'length' is the name of another metric",
        ),
        (
            [MetricConfig("perplexity", {"bundle": "tiny:aligned", "pair": ["tiny:base"]})],
            (),
            r"m\.yaml: metrics\[0\]\.options\.pair: the texts are by tiny:base, tiny:aligned, as the sweep",
        ),
        ([SHORT], ("distinct-1-shirt",), "--metrics: unknown metric 'distinct-1-shirt'.*distinct-1-short"),
        ([SHORT], ("ead", "ead"), "--metrics: 'ead' is there twice"),
        ([SHORT], ("",), "--metrics: unknown metric ''"),
    ],
)
def test_a_wrong_name_or_option_is_one_clear_line(
    metrics: list[MetricConfig], wanted: tuple[str, ...], message: str
) -> None:
    with pytest.raises(BacoError, match=message) as caught:
        chosen(*metrics, wanted=wanted)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "it has no list 'metrics'"),
        ("n: 3", "it has no list 'metrics'"),
        ("metrics: ead", "metrics: expected a list"),
        ("metrics: [{label: a}]", r"metrics\[0\]: key 'use' is missing"),
        ("metrics: [{use: ead, label: ../a}]", r"metrics\[0\]\.label"),
        ("metrics: [{use: ead, label: A}]", r"metrics\[0\]\.label"),
        ("metrics: [{use: ead}, {use: ead}]", "metrics: 'ead' is there twice; give one a 'label'"),
    ],
)
def test_a_file_without_a_good_list_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"m\.yaml: {message}") as caught:
        metrics_in(path)
    assert "\n" not in str(caught.value)


def test_any_yaml_may_have_the_list(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("what: else\nmetrics: [{use: ead, label: e, options: {words: 2}}]\n")
    assert metrics_in(path) == (MetricConfig("ead", {"words": 2}, "e"),)


def test_metrics_are_no_part_of_what_texts_depend_on() -> None:
    data: dict[str, Any] = {"task": {"use": "creative"}, "methods": [{"router": {"use": "p"}}]}
    bare = sweep_from_data(data)
    more = sweep_from_data({**data, "metrics": [{"use": "ead", "label": "e"}]})
    assert more.metrics == (MetricConfig("ead", {}, "e"),)
    assert sweep_from_data(sweep_data(more)) == more != bare
    assert identity(more) == identity(bare)
    assert "metrics" not in identity(bare)
    with pytest.raises(ConfigError, match="metrics: 'ead' is there twice"):
        sweep_from_data({**data, "metrics": [{"use": "ead"}, {"use": "ead"}]})


def test_a_label_is_measured_kept_reported_and_protected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = '{"id": "a", "prompt": "A fox."}\n{"id": "b", "prompt": "A king."}\n'
    (tmp_path / "prompts.jsonl").write_text(prompts)
    sweep = {
        "task": {"use": "jsonl", "options": {"path": "./prompts.jsonl"}},
        "n": 2,
        "decode": {"max_new_tokens": 6},
        "methods": [{"router": {"use": "p"}}],
    }
    metrics = [{"use": "distinct-1", "label": "short", "options": {"words": 3}}, {"use": "distinct-1"}]
    config, out = tmp_path / "sweep.yaml", tmp_path / "out"
    config.write_text(yaml.safe_dump(sweep))
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "-c", "sweep.yaml", "--out", str(out)]) == 0
    monkeypatch.chdir("/")
    config.write_text(yaml.safe_dump({**sweep, "metrics": metrics}))
    assert main(["sweep", "-c", str(config), "--out", str(out)]) == 0  # goes on: metrics change no text
    assert load_sweep(out / "sweep.yaml").metrics == ()
    manifest = read_manifest(out)
    assert manifest is not None
    assert "metrics" not in manifest.config
    capsys.readouterr()
    assert main(["score", str(out), "-c", str(config)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "short: 2 measured now, 0 before",
        "distinct-1: 2 measured now, 0 before",
    ]
    record = read_record(out, "short")
    assert record is not None
    assert (record.metric, record.options) == ("distinct-1", {"words": 3})
    assert {one.metric for one in read_scores(out, "short")} == {"short"}
    material = read(out, PLUGINS)
    assert [one.name for one in material.measures] == ["distinct-1", "short"]
    assert len({one.formula for one in material.measures}) == 1
    assert "distinct-1" not in material.unscored
    metrics[0]["options"] = {"words": 4}
    config.write_text(yaml.safe_dump({"metrics": metrics}))
    assert main(["score", str(out), "-c", str(config)]) == 2
    told = capsys.readouterr().err
    assert "short.jsonl: was measured with option 'words' 3, and now it is 4; give the metric another" in told


def test_the_metrics_there_are_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--list"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == PLUGINS.metrics.names()
    assert {len(row) for row in rows} == {7}
    assert next(row for row in rows if row[0] == "nli")[1:4] == ["semantic", "larger", "-1 to 1"]
    assert main(["score"]) == 2
    assert "name a sweep's folder, or pass --list" in capsys.readouterr().err


def test_scores_of_a_metric_that_is_gone_name_their_file(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    write_record(ScoreRecord("gone", {}), tmp_path, "short")
    with pytest.raises(BacoError, match=r"short\.jsonl: unknown metric 'gone'"):
        metric_of(tmp_path, "short", PLUGINS)
    assert metric_of(tmp_path, "ead", PLUGINS) is PLUGINS.metrics.get("ead")
