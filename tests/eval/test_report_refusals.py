"""What cannot be reported is refused in one line that says what, where, and how to mend it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from report_world import DISTINCT, SETTINGS, keep, keep_scores, made_folder, measure, run

from baco_core.cli import main
from baco_eval.records import Setting
from baco_eval.report.measure import Measure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_folder(tmp_path)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: pictures take longer than all else."""
    monkeypatch.setattr("baco_eval.report.write.draw", lambda results: {})


def score(folder: Path, bad: bytes) -> None:
    """Put a bad value, or a line that is none, in place of the second score."""
    path = folder / "scores" / "distinct-1.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = re.sub(rb'"value":[^,}]*', lambda _: bad, lines[1]) if bad.startswith(b'"') else bad
    path.write_bytes(b"\n".join(lines))


def text(folder: Path, line: bytes) -> None:
    """Put another line in place of the second text."""
    path = folder / "generations.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], line, *lines[2:]]))


def alone(folder: Path, settings: Sequence[Setting]) -> None:
    """Leave two metrics that are the same in all of some settings."""
    for path in (folder / "scores").iterdir():
        path.unlink()
    keep(folder, settings)
    for name, group in (("distinct-1", "lexical"), ("perplexity", "quality")):
        keep_scores(folder, measure(name, group, lambda one, i: 0.5, settings=settings))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda d: (d / "manifest.json").unlink(), "no manifest.json"),
        (lambda d: (d / "manifest.json").write_text("{"), "malformed manifest"),
        (lambda d: [path.unlink() for path in (d / "scores").iterdir()], "it has no scores; run baco score"),
        (lambda d: keep(d, SETTINGS, n=1), "n = 1"),
        (lambda d: (d / "scores" / "ead.jsonl").write_text("{}\n"), "ead.jsonl:1: this line is no score"),
        (lambda d: (d / "scores" / "foo.jsonl").write_text(""), "unknown metric 'foo'"),
        (lambda d: keep(d, SETTINGS[1:]), "distinct-k.jsonl:1: the sweep has no setting 'gamma=0' of 'a'"),
        (lambda d: keep_scores(d, Measure("ead", 1, "", "", "", DISTINCT.scores)), "score of 'distinct-1'"),
        (
            lambda d: keep_scores(d, Measure("distinct-1", 1, "", "", "", [*DISTINCT.scores] * 2)),
            "distinct-1.jsonl:16: line 1 has this score already",
        ),
        (lambda d: (d / "generations.jsonl").write_text("x\n"), "generations.jsonl:1: this line is no"),
        (lambda d: score(d, b'"value":NaN'), "distinct-1.jsonl:2: this line is no score: JSON is malformed"),
        (lambda d: score(d, b'"value":1e999'), "distinct-1.jsonl:2: this line is no score: Number out of"),
        (lambda d: score(d, b'"value":"much"'), "distinct-1.jsonl:2: this line is no score: Expected"),
        (lambda d: score(d, b"\xff"), "distinct-1.jsonl:2: this line is no score:"),
        (lambda d: text(d, b'{"method":"a"}'), "generations.jsonl:2: this line is no generation:"),
        (lambda d: text(d, b'{"method":'), "generations.jsonl:2: this line is no generation:"),
        (lambda d: (d / "scores" / "distinct-1.json").write_text("{"), "distinct-1.json: malformed record"),
        (lambda d: keep(d, [*SETTINGS, Setting("nudging", "default")]), "method 'nudging' has no finished"),
        (lambda d: keep(d, [*SETTINGS, Setting("a", "gamma=0.9")]), "setting 'gamma=0.9' of 'a' has no"),
        (lambda d: alone(d, SETTINGS[:1]), "single setting (a gamma=0)"),
        (lambda d: alone(d, SETTINGS), "all settings have the same diversity and quality"),
        (lambda d: (d / "report").write_text(""), "report: cannot write the file"),
    ],
)
def test_bad_folders_are_one_clear_line(
    folder: Path, harm: Callable[[Path], object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    harm(folder)
    if message.startswith("distinct-k"):
        (folder / "scores" / "base-share.jsonl").unlink()
        (folder / "scores" / "distinct-1.jsonl").unlink()
    assert run(folder) == 2
    assert not (folder / "report" / "report.html").exists()
    told = capsys.readouterr()
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


@pytest.mark.usefixtures("undrawn")
def test_a_last_line_that_a_crash_cut_is_left_out(folder: Path) -> None:
    path = folder / "scores" / "distinct-1.jsonl"
    path.write_bytes(path.read_bytes() + b'{"metric":"dis')
    assert run(folder) == 0


@pytest.mark.usefixtures("undrawn")
def test_a_last_text_that_a_crash_cut_is_left_out(folder: Path) -> None:
    path = folder / "generations.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert run(folder) == 0


@pytest.mark.usefixtures("undrawn")
def test_a_prompt_that_one_metric_did_not_measure_leaves_all_planes_and_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holed = measure("distinct-1", "lexical", lambda one, i: None if i == 1 else i + len(one.id) / 9)
    keep_scores(folder, holed)
    assert run(folder) == 0
    assert "Planes are of the 2 of 3 prompts measured in every setting and metric." in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_what_is_not_finished_can_be_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, [*SETTINGS, Setting("nudging", "default")])
    assert run(folder, "--partial") == 0
    assert "no prompt of theirs is finished: nudging (default)." in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-3"])
def test_resamples_are_one_or_more(folder: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(folder), "--resamples", number]) == 2
    assert capsys.readouterr().err == f"baco: error: a bootstrap needs a resample or more, not {number}.\n"


def test_without_matplotlib_one_line_says_what_to_install(folder: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; from baco_core.cli import main; "
        f"sys.exit(main(['report', {str(folder)!r}]))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert "pictures need matplotlib" in line
    assert "pip install 'baco[eval]'" in line


def test_help_needs_no_matplotlib() -> None:
    code = "import sys; from baco_core.cli import main; main(['report', '--help'])"
    found = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    assert "matplotlib" not in found.stderr
