"""`baco report` writes a page that is safe to open, pictures and tables, or says in one line why not."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from report_world import DISTINCT, KINDS, PROMPTS, SETTINGS, measure, quality

from baco_core.cli import main
from baco_eval.records import Generation, Setting
from baco_eval.report.measure import Measure
from baco_eval.sweep.lines import write_whole
from baco_eval.sweep.manifest import Manifest, TaskRecord, write_manifest

RUDE = "<script>alert(1)</script> & <img src='http://there.example/x'>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sweep's folder, scored, with texts that are markup."""
    keep(tmp_path, SETTINGS)
    for one in (
        DISTINCT,
        KINDS,
        measure("format", "other", quality),
        measure("base-share", "other", quality),
    ):
        keep_scores(tmp_path, one)
    texts = [
        Generation(*one.key, prompt, index, RUDE, "stop", 4, 1, (("base", RUDE[:8]), ("aligned", RUDE[8:])))
        for one in SETTINGS
        for prompt in PROMPTS
        for index in range(2)
    ]
    write_whole(tmp_path / "generations.jsonl", b"".join(msgspec.json.encode(one) + b"\n" for one in texts))
    return tmp_path


def keep(folder: Path, settings: Sequence[Setting], n: int = 2) -> None:
    task = TaskRecord("cre<ative", "0" * 64, len(PROMPTS))
    config = {"plugins": [], "n": n}
    manifest = Manifest(1, "0" * 64, task, {}, {}, list(settings), n, 0, "2026-01-01", config)
    write_manifest(manifest, folder)


def keep_scores(folder: Path, one: Measure) -> None:
    (folder / "scores").mkdir(exist_ok=True)
    content = b"".join(msgspec.json.encode(score) + b"\n" for score in one.scores)
    (folder / "scores" / f"{one.name}.jsonl").write_bytes(content)


class Tags(HTMLParser):
    """Collects tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def run(folder: Path, *more: str) -> int:
    return main(["report", str(folder), "--resamples", "20", *more])


def test_the_command_writes_page_pictures_and_tables(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder) == 0
    out = tmp_path / "report"
    names = {"report.html", "report.json", "settings.csv", "planes.csv", "means.csv", "differences.csv"}
    drawn = ("coverage", "dominance", "overview", "planes-format", "base-share")
    pictures = {f"{name}.{form}" for name in drawn for form in ("svg", "png")}
    assert {path.name for path in out.iterdir()} == names | pictures
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == str(out / "report.html")
    assert "format stands in" in told.err
    data = json.loads((out / "report.json").read_text())
    assert data["quality_stand_in"] == "format"
    assert data["rule"] == "staircase"
    plane = data["planes"][0]
    assert plane["bounds"] == {"low": [0, 0], "high": [1, 1]}
    assert plane["methods"]["b"]["coverage"]["value"] == pytest.approx(0.5625)
    rows = list(csv.DictReader(io.StringIO((out / "planes.csv").read_text())))
    assert len(rows) == 2 * 3 * 2
    assert float(rows[0]["low"]) <= float(rows[0]["value"]) <= float(rows[0]["high"])


def test_the_page_asks_no_host_runs_nothing_and_shows_texts_as_text(folder: Path) -> None:
    assert run(folder, "--rule", "trapezoid") == 0
    html = (folder / "report" / "report.html").read_text()
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in tags.seen}
    names = {name for _, attributes in tags.seen for name in attributes}
    assert not {name for name in names if name.startswith("on") or name == "src"}
    links = {attributes.get(name) for _, attributes in tags.seen for name in ("href", "xlink:href")} - {None}
    assert all(str(link).startswith("#") for link in links)
    assert not re.search(r"url\((?!#)|@import", html)
    assert '<span class="base">&lt;script&gt;</span><span class="aligned">alert(1)&lt;/script&gt;' in html
    assert "rule trapezoid" in html
    assert "Settings of each method: a 3, b 2." in html
    assert "There is no random router" in html
    assert "No quality metric was scored." in html
    assert "<li>self-bleu was not scored.</li>" in html


def test_a_report_is_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(folder, "--out", str(tmp_path / name)) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


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
    told = capsys.readouterr()
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


def test_a_last_line_that_a_crash_cut_is_left_out(folder: Path) -> None:
    path = folder / "scores" / "distinct-1.jsonl"
    path.write_bytes(path.read_bytes() + b'{"metric":"dis')
    assert run(folder) == 0
