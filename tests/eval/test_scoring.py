"""Scores: every group once, kept as soon as known, with a reason where there is no value."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from baco_core.cli import main
from baco_core.errors import PluginError
from baco_eval.metrics.metric import Measured, Metric, NotMeasured, Unavailable
from baco_eval.records import Generation, Prompt
from baco_eval.scoring.choice import Chosen
from baco_eval.scoring.groups import groups_of, words_for
from baco_eval.scoring.record import ScoreRecord, read_record
from baco_eval.scoring.score import read_scores, score
from baco_eval.sweep.errors import SweepError

PROMPTS = {name: Prompt(name, f"Write about a {name}.") for name in ("fox", "king")}


def generation(setting: str, prompt: str, index: int, text: str = "a b c") -> Generation:
    return Generation("p", setting, prompt, index, text, "stop", 3, 1)


SOME = [generation(s, p, i) for s in ("gamma=1", "gamma=2") for p in PROMPTS for i in (1, 0)]


@dataclass
class Count:
    """Counts its calls; the value is that of the setting's last letter, unless told otherwise."""

    direction = 1
    value: float | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        first = texts[0]
        assert isinstance(first, Generation)
        assert [one.index for one in texts if isinstance(one, Generation)] == [0, 1]
        self.calls.append((first.setting, prompt.id))
        if self.value is None:
            raise NotMeasured("nothing to see.")
        return self.value


def run(folder: Path, metric: Count, some: Sequence[Generation] = SOME) -> list[str]:
    told: list[str] = []
    score(folder, [chosen(metric)], groups_of(some, 2), PROMPTS, told.append)
    return told


def chosen(metric: object, **changes: Any) -> Chosen:
    return Chosen("count", cast("Metric", metric), ScoreRecord("count", {}, **changes))


def test_every_group_is_measured_once(tmp_path: Path) -> None:
    first, again = Count(0.5), Count(0.7)
    assert run(tmp_path, first, SOME[:4]) == ["count: 2 measured now, 0 before"]
    assert run(tmp_path, again) == ["count: 2 measured now, 2 before"]
    assert again.calls == [("gamma=2", "fox"), ("gamma=2", "king")]
    assert [one.value for one in read_scores(tmp_path, "count")] == [0.5, 0.5, 0.7, 0.7]


@pytest.mark.parametrize(("value", "reason"), [(None, "nothing to see."), (math.nan, "the metric gave nan.")])
def test_what_has_no_value_has_a_reason(tmp_path: Path, value: float | None, reason: str) -> None:
    told = run(tmp_path, Count(value))
    assert told == [f"count: 0 measured now, 0 before; 4 not measured ({reason})"]
    assert {(one.value, one.not_measured) for one in read_scores(tmp_path, "count")} == {(None, reason)}


def test_what_had_no_value_is_tried_again(tmp_path: Path) -> None:
    run(tmp_path, Count(None), SOME[:4])
    assert run(tmp_path, Count(0.5)) == ["count: 4 measured now, 0 before"]
    assert [one.value for one in read_scores(tmp_path, "count")] == [0.5] * 4


def test_a_line_that_was_cut_is_measured_again_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    run(tmp_path, Count(0.5))
    path = tmp_path / "scores" / "count.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    assert run(tmp_path, Count(0.5)) == ["count: 1 measured now, 3 before"]
    assert path.read_bytes() == whole
    path.write_bytes(whole.replace(b'"gamma=1"', b"7", 1))
    with pytest.raises(SweepError, match=r"count\.jsonl:1: this line is no score"):
        run(tmp_path, Count(0.5))


def test_groups_that_lack_a_text_are_left_out() -> None:
    assert list(groups_of(SOME[1:], 2)) == [
        ("p", "gamma=1", "king"),
        ("p", "gamma=2", "fox"),
        ("p", "gamma=2", "king"),
    ]


def test_texts_are_cut_to_the_shortest_median_of_a_setting() -> None:
    long = [generation("gamma=1", "fox", index, "word " * 40) for index in (0, 1)]
    short = [generation("gamma=2", "fox", index, "word " * 30) for index in (0, 1)]
    assert words_for(groups_of([*long, *short], 2)) == 30


@dataclass
class Absent(Count):
    """Cannot measure anything here."""

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        self.calls.append(("", ""))
        raise Unavailable("its model is not here.")


def test_what_holds_for_all_texts_is_asked_once(tmp_path: Path) -> None:
    metric = Absent()
    assert run(tmp_path, metric) == [
        "count: 0 measured now, 0 before; 4 not measured (its model is not here.)"
    ]
    assert len(metric.calls) == 1
    assert len(read_scores(tmp_path, "count")) == 4


@dataclass
class Interrupted(Count):
    """Is stopped by Ctrl-C, or by a fault of its own, at the third group."""

    error: BaseException = field(default_factory=KeyboardInterrupt)

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        if len(self.calls) == 2:
            raise self.error
        return super().measure(texts, prompt)


def test_ctrl_c_keeps_what_is_there(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        score(tmp_path, [chosen(Interrupted(0.5))], groups_of(SOME, 2), PROMPTS, told.append)
    assert told == ["count: 2 of 4 scores are kept; the same command goes on."]
    assert run(tmp_path, Count(0.7)) == ["count: 2 measured now, 2 before"]
    assert [one.value for one in read_scores(tmp_path, "count")] == [0.5, 0.5, 0.7, 0.7]


def test_a_metric_that_fails_is_named_with_the_texts(tmp_path: Path) -> None:
    with pytest.raises(
        PluginError, match=r"Metric 'count' failed on prompt 'fox' of 'p' with 'gamma=2': Val"
    ):
        run(tmp_path, Interrupted(0.5, error=ValueError("no")))


def test_long_scoring_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baco_eval.scoring.score.EVERY_S", 0)
    told = run(tmp_path, Count(0.5))
    assert len(told) == 5
    assert re.fullmatch(
        r"1 of 4 scores of count \(25 %\), \S+ a second, about .* to go \(metric 1 of 1\)", told[0]
    )


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({"bundle": "a"}, {"bundle": "b"}, r"with option 'bundle' 'a', and now it is 'b'; give .* 'label'"),
        ({}, {"bundle": "b"}, "with option 'bundle' nothing, and now it is 'b'"),
    ],
)
def test_scores_with_other_options_are_refused_before_anything_is_measured(
    tmp_path: Path, before: dict[str, str], now: dict[str, str], message: str
) -> None:
    some = groups_of(SOME, 2)
    old, other, new = Count(0.5), Count(0.6), Count(0.7)
    score(
        tmp_path, [Chosen("count", cast("Metric", old), ScoreRecord("count", before))], some, PROMPTS, print
    )
    both = [
        Chosen("other", cast("Metric", other), ScoreRecord("count", now)),
        Chosen("count", cast("Metric", new), ScoreRecord("count", now)),
    ]
    with pytest.raises(SweepError, match=message) as caught:
        score(tmp_path, both, some, PROMPTS, print)
    assert "\n" not in str(caught.value)
    assert other.calls == new.calls == []
    score(tmp_path, both[:1], some, PROMPTS, print)
    assert [one.value for one in read_scores(tmp_path, "other")] == [0.6] * 4


def test_scores_by_another_model_are_refused_and_those_without_a_value_are_not_kept(tmp_path: Path) -> None:
    some = groups_of(SOME, 2)
    score(tmp_path, [chosen(Count(None), models={"m": "1"})], some, PROMPTS, print)
    score(tmp_path, [chosen(Count(0.5), models={"m": "2"})], some, PROMPTS, print)
    assert read_record(tmp_path, "count") == ScoreRecord("count", {}, {"m": "2"})
    with pytest.raises(SweepError, match="with model 'm' '2', and now it is '3'"):
        score(tmp_path, [chosen(Count(0.5), models={"m": "3"})], some, PROMPTS, print)
    gone = chosen(Count(0.5))  # what is there stays when the model is gone
    score(tmp_path, [gone], some, PROMPTS, print)
    assert read_record(tmp_path, "count") == ScoreRecord("count", {}, {"m": "2"})


def test_scores_of_nobody_knows_what_and_damaged_records_are_refused(tmp_path: Path) -> None:
    run(tmp_path, Count(0.5))
    record = tmp_path / "scores" / "count.json"
    record.write_text("{")
    with pytest.raises(SweepError, match=r"count\.json: malformed record"):
        run(tmp_path, Count(0.5))
    record.unlink()
    with pytest.raises(SweepError, match=r"count\.jsonl: nothing tells what it was measured with"):
        run(tmp_path, Count(0.5))


def test_a_sweep_is_scored_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "sweep.yaml"
    config.write_text(
        f"task: {{use: jsonl, options: {{path: {tmp_path / 'prompts.jsonl'}}}}}\n"
        "n: 2\ndecode: {max_new_tokens: 6}\n"
        "methods: [{router: {use: p, options: {gamma: [0.2, 0.6]}}}]\n"
    )
    lines = [json.dumps({"id": name, "prompt": prompt.text}) for name, prompt in PROMPTS.items()]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    assert main(["score", str(out)]) == 2
    assert "run baco sweep first" in capsys.readouterr().err
    assert main(["sweep", "-c", str(config), "--out", str(out)]) == 0
    assert main(["score", str(out), "--metrics", "distinct-1,length"]) == 0
    assert sorted(path.name for path in (out / "scores").glob("*.jsonl")) == [
        "distinct-1.jsonl",
        "length.jsonl",
    ]
    found = read_scores(out, "length")
    assert len(found) == 4
    assert all(one.value is not None and 0 < one.value <= 6 for one in found)
    text = (out / "generations.jsonl").read_bytes()
    (out / "generations.jsonl").write_bytes(text[: text.index(b"\n") + 1])
    assert main(["score", str(out)]) == 2
    assert "1 of 8 texts are there; finish baco sweep first" in capsys.readouterr().err
