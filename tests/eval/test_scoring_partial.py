"""What is measured of a sweep that is not finished, and what becomes of that when it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sweep_world import lines_of
from test_bad_measuring import METHODS, TWO, sweep, write_prompts, write_sweep

from baco_core.cli import main
from baco_eval.records import Generation, Prompt, Setting
from baco_eval.scoring.finished import comparable, told
from baco_eval.scoring.record import ScoreRecord, follows, read_record
from baco_eval.scoring.score import read_scores
from baco_eval.sweep.manifest import Manifest, TaskRecord

SETTINGS = [Setting("a", "0"), Setting("b", "0"), Setting("as-b", "0", matches=("b", "0"))]
PROMPTS = [Prompt(name, name) for name in ("fox", "sea", "oak")]
WHOLE = Manifest(1, "", TaskRecord("t", "", 3), {}, {}, SETTINGS, 1, 0, "", {})


def groups(*rows: Sequence[str]) -> dict[tuple[str, str, str], list[Generation]]:
    """Return groups of the methods in order, each of these prompts."""
    return {
        (setting.method, "0", prompt): []
        for setting, row in zip(SETTINGS, rows, strict=False)
        for prompt in row
    }


@pytest.mark.parametrize(
    ("there", "measured"),
    [
        (groups(("fox", "sea", "oak"), ("fox",)), groups(("fox", "sea", "oak"))),
        (groups(("fox", "sea"), ("fox", "sea")), groups(("fox", "sea"), ("fox", "sea"))),
        (
            groups(("fox", "sea", "oak"), ("fox", "sea"), ("fox",)),
            groups(("fox", "sea"), ("fox", "sea"), ("fox",)),
        ),
        (groups(("fox",), ("sea",)), {}),
        ({}, {}),
    ],
)
def test_the_larger_part_that_can_be_compared_is_measured(
    there: dict[tuple[str, str, str], list[Generation]],
    measured: dict[tuple[str, str, str], list[Generation]],
) -> None:
    assert comparable(there, WHOLE, PROMPTS) == measured


def test_the_part_is_told() -> None:
    part = groups(("fox", "sea"), ("fox", "sea"))
    assert told(part, WHOLE, PROMPTS) == (
        "of an unfinished sweep: 2 of 3 settings on 2 of 3 prompts are measured."
    )
    assert told(groups(*[["fox", "sea", "oak"]] * 3), WHOLE, PROMPTS) == ""


def test_only_what_follows_from_the_texts_may_change() -> None:
    old, new = ScoreRecord("ead", {"words": 12, "x": 1}), ScoreRecord("ead", {"words": 9, "x": 1})
    assert follows(old, new, {"words"}) == "option 'words' 12, and now it is 9"
    assert follows(old, new, set()) == ""
    assert follows(old, old, {"words"}) == ""
    assert follows(old, ScoreRecord("ead", {"words": 9, "x": 2}), {"words"}) == ""
    assert follows(old, ScoreRecord("ead", {"words": 9, "x": 1}, {"m": "1"}), {"words"}) == ""


def test_an_unfinished_sweep_is_measured_in_part_and_again_where_more_texts_change_the_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_prompts(tmp_path, *TWO)
    short = {"router": {"use": "aligned"}, "label": "short", "sampler": {"use": "greedy"}}
    write_sweep(tmp_path, methods=[*METHODS, short], decode={"max_new_tokens": 12, "batch": 2})
    out, measure = tmp_path / "out", ["score", str(tmp_path / "out"), "--metrics", "distinct-1,length"]
    assert main(sweep(tmp_path, "--set", "budget.texts=3")) == 0
    assert main([*measure, "--partial"]) == 2
    assert "3 of 16 texts are there; finish baco sweep first." in capsys.readouterr().err
    assert main(sweep(tmp_path, "--set", "budget.texts=9")) == 0
    assert main(measure) == 2
    assert "finish baco sweep first, or pass --partial." in capsys.readouterr().err
    assert main([*measure, "--partial"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "of an unfinished sweep: 2 of 4 settings on 2 of 2 prompts are measured.",
        "distinct-1: 4 measured now, 0 before",
        "length: 4 measured now, 0 before",
    ]
    record = read_record(out, "distinct-1")
    assert record is not None
    path = out / "scores" / "distinct-1.json"
    path.write_text(path.read_text().replace(f'"words": {record.options["words"]}', '"words": 99'))
    assert main(sweep(tmp_path)) == 0
    assert len(lines_of(out)) == 16
    capsys.readouterr()
    assert main(measure) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"distinct-1: measured again: it was with option 'words' 99, and now it is {cut(out)}.",
        "distinct-1: 8 measured now, 0 before",
        "length: 4 measured now, 4 before",
    ]
    assert len(read_scores(out, "distinct-1")) == len(read_scores(out, "length")) == 8


def cut(out: Path) -> object:
    record = read_record(out, "distinct-1")
    assert record is not None
    return record.options["words"]
