"""Scores: every group once, kept as soon as known, with a reason where there is no value."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from baco_core.cli import main
from baco_eval.metrics.metric import Measured, NotMeasured
from baco_eval.records import Generation, Prompt
from baco_eval.scoring.groups import groups_of, words_for
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
    score(folder, {"count": metric}, groups_of(some, 2), PROMPTS, told.append)  # type: ignore[dict-item]
    return told


def test_every_group_is_measured_once(tmp_path: Path) -> None:
    first, again = Count(0.5), Count(0.7)
    assert run(tmp_path, first, SOME[:4]) == ["count: 2 measured now, 0 before"]
    assert run(tmp_path, again) == ["count: 2 measured now, 2 before"]
    assert again.calls == [("gamma=2", "fox"), ("gamma=2", "king")]
    assert [one.value for one in read_scores(tmp_path, "count")] == [0.5, 0.5, 0.7, 0.7]


@pytest.mark.parametrize(("value", "reason"), [(None, "nothing to see."), (math.nan, "the metric gave nan.")])
def test_what_has_no_value_has_a_reason(tmp_path: Path, value: float | None, reason: str) -> None:
    told = run(tmp_path, Count(value))
    assert told == [f"count: 4 measured now, 0 before; 4 not measured ({reason})"]
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
    assert sorted(path.name for path in (out / "scores").iterdir()) == ["distinct-1.jsonl", "length.jsonl"]
    found = read_scores(out, "length")
    assert len(found) == 4
    assert all(one.value is not None and 0 < one.value <= 6 for one in found)
    text = (out / "generations.jsonl").read_bytes()
    (out / "generations.jsonl").write_bytes(text[: text.index(b"\n") + 1])
    assert main(["score", str(out)]) == 2
    assert "1 of 8 texts are there; finish baco sweep first." in capsys.readouterr().err
