"""`baco report` writes a page that is safe to open, pictures, and tables of what was computed."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from report_world import (
    AS_B,
    SETTINGS,
    diversity,
    keep,
    keep_scores,
    made_folder,
    measure,
    quality,
    run,
)

from baco_core.plugins import load_plugins
from baco_eval.intervals import Interval
from baco_eval.records import Generation, Prompt
from baco_eval.report.comparison import MATCHED, differences
from baco_eval.report.read import read
from baco_eval.report.results import STATISTICS, Results, compute
from baco_eval.report.samples import LONGEST
from baco_eval.scoring.record import ScoreRecord, write_record
from baco_eval.tasks.creative import Creative
from baco_eval.tasks.task import fingerprint

PAGE = Path(__file__).parents[2] / "docs" / "report.md"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing: pictures take longer than all else."""
    monkeypatch.setattr("baco_eval.report.write.draw", lambda results: {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_folder(tmp_path)


@pytest.fixture
def controlled(folder: Path) -> Path:
    """A folder with a control, a quality, and what it was all measured with."""
    every = [*SETTINGS, *AS_B]
    keep(folder, every)
    (folder / "scores" / "format.jsonl").unlink()
    (folder / "scores" / "base-share.jsonl").unlink()
    for one in (
        measure("distinct-1", "lexical", diversity, settings=every),
        measure("distinct-k", "semantic", diversity, settings=every),
        measure("perplexity", "quality", quality, settings=every),
        measure("length", "other", lambda one, i: 30.0 + i, 0, settings=every),
    ):
        keep_scores(folder, one)
    write_record(ScoreRecord("distinct-1", {"words": 24}), folder, "distinct-1")
    write_record(ScoreRecord("distinct-k", {"rule": "rouge-1"}), folder, "distinct-k")
    judged = {"bundle": "third-model:base 0123456789abcdef"}
    write_record(ScoreRecord("perplexity", {}, judged), folder, "perplexity")
    return folder


def computed(folder: Path) -> Results:
    material = read(folder, load_plugins([]))
    return compute(material.manifest.settings, material.measures, resamples=20)


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
    assert re.search(r"<li>Not scored: [^<]*, self-bleu, ", html)


def test_a_report_is_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(folder, "--out", str(tmp_path / name)) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


class Tables(HTMLParser):
    """Collects the tables of a page: by caption the rows, a cell's pieces of text in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[list[list[str]]]] = {}
        self._rows: list[list[list[str]]] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append([])
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "caption":
            self.found[data] = self._rows
        elif self._inside in ("td", "th", "small"):
            self._rows[-1][-1].append(data)


def shown(one: Interval, sign: str = "") -> list[str]:
    value, low, high = (f"{x:{sign}.3f}".replace("-", "−") for x in (one.value, one.low, one.high))
    return [value, f"{low} to {high}"]


@pytest.mark.usefixtures("undrawn")
def test_tables_of_the_page_hold_the_computed_numbers(controlled: Path) -> None:
    assert run(controlled) == 0
    results, tables = computed(controlled), Tables()
    tables.feed((controlled / "report" / "report.html").read_text())
    rows = tables.found["Coverage, means over planes"]
    assert rows[0] == [["method"], ["lexical"], ["semantic"], ["overall"]]
    coverage = results.means["coverage"]
    assert {row[0][0]: row[1:] for row in rows[1:]} == {
        method: [shown(found.interval(method)) for found in coverage.values()]
        for method in ("a", "b", "rand-as-b")
    }
    dominance = tables.found["Dominance, means over planes"]
    assert [row[0] for row in dominance[1:]] == [["a"], ["b"]]
    own = differences(results, "coverage", "lexical", MATCHED)["b"]
    rows = tables.found["Coverage less that of its random control, of the same base shares"]
    assert rows[1][:2] == [["b"], shown(own, "+")]


@pytest.mark.usefixtures("undrawn")
def test_files_hold_the_computed_numbers(controlled: Path) -> None:
    assert run(controlled) == 0
    results, out = computed(controlled), controlled / "report"
    data = json.loads((out / "report.json").read_text())
    for name in STATISTICS:
        for group, found in results.means[name].items():
            expected = {method: plain(found.interval(method)) for method in found.values}
            assert data["means"][name][group] == expected
    own = differences(results, "coverage", "overall", MATCHED)["b"]
    assert data["differences"]["coverage"][MATCHED]["overall"] == {"b": plain(own)}
    assert data["references"] == {"matched": {"b": "rand-as-b"}, "rand": {}, "nudging": {}}
    assert data["controls"] == ["rand-as-b"]
    assert data["settings"][-1]["matches"] == ["b", "gamma=0.6"]
    assert "dominance" not in data["planes"][0]["methods"]["rand-as-b"]
    assert data["planes"][0]["bounds"]["high"] == [1, 1.5]
    rows = [row for row in table(out / "differences.csv") if row["group"] == "overall"]
    assert [(row["method"], row["kind"], row["reference"]) for row in rows] == [("b", "matched", "rand-as-b")]
    assert float(rows[0]["value"]) == own.value
    means = {(r["method"], r["setting"], r["metric"]): float(r["mean"]) for r in table(out / "settings.csv")}
    assert means == {(*key, name): one.value for (key, name), one in results.averages.items()}


def plain(one: Interval) -> dict[str, float]:
    return {"value": one.value, "low": one.low, "high": one.high}


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.usefixtures("undrawn")
def test_caveats_tell_of_judges_cuts_lengths_and_what_does_not_compare(controlled: Path) -> None:
    assert run(controlled) == 0
    told = "\n".join(json.loads((controlled / "report" / "report.json").read_text())["caveats"])
    for part in (
        "not known to us. The definitions here are our own",
        "perplexity was judged by bundle third-model:base (01234567).",
        "cut to the first 24 words for lexical metrics",
        "Mean length in words: a 31, b 31, rand-as-b 31.",
        "do not compare with NoveltyBench's leaderboard",
        "Random controls (rand-as-b)",
        "no part in Dominance or the front",
        "The numbers are unlike.",
        "No control was swept for a:",
        "nothing of other seeds, pairs or tasks",
        "vendi (needs a sentence encoder)",
    ):
        assert part in told


@pytest.mark.skipif(not PAGE.exists(), reason="docs/ does not come with the wheel")
@pytest.mark.usefixtures("undrawn")
def test_each_key_of_the_json_is_documented(controlled: Path) -> None:
    assert run(controlled) == 0
    data = json.loads((controlled / "report" / "report.json").read_text())
    documented = set(re.findall(r"`([\w.*\[\]]+)`", PAGE.read_text()))
    assert set(data) <= {name.partition("[")[0].partition(".")[0] for name in documented}
    parts: tuple[Mapping[str, object], ...] = (
        *(data[name][0] for name in ("metrics", "settings", "planes")),
        data["planes"][0]["methods"]["a"],
        data["means"],
    )
    for part in parts:
        assert set(part) <= {name.rpartition(".")[2] for name in documented}


@pytest.mark.usefixtures("undrawn")
def test_prompts_stand_above_their_texts_as_long_as_the_task_gives_them(folder: Path) -> None:
    prompts = Creative(limit=2).prompts()
    keep(folder, SETTINGS, task=("creative", fingerprint(prompts), 2))
    (folder / "sweep.yaml").write_text(
        "task: {use: creative, options: {limit: 2}}\nmethods: [{router: {use: p}}]\nn: 2\n"
    )
    content = b"".join(
        msgspec.json.encode(Generation(*one.key, prompts[0].id, 0, "text " * LONGEST, "length", 3, 0)) + b"\n"
        for one in SETTINGS
    )
    (folder / "generations.jsonl").write_bytes(content)
    assert run(folder) == 0
    html = (folder / "report" / "report.html").read_text()
    assert f'<p class="prompt">{prompts[0].text}</p>' in html.replace("&#x27;", "'").replace("&quot;", '"')
    assert html.count("text " * (LONGEST // 5) + "</span>…") == 2
    assert "text " * (LONGEST // 5 + 1) not in html
    keep(folder, SETTINGS, task=("creative", "0" * 64, 2))
    assert run(folder) == 0
    assert 'class="prompt"' not in (folder / "report" / "report.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_what_is_cut_ends_with_a_mark_and_what_is_whole_has_none(folder: Path) -> None:
    prompts = [Prompt("a", "p" * LONGEST), Prompt("b", "q" * (LONGEST + 1))]
    (folder / "prompts.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in prompts))
    keep(folder, SETTINGS, task=("jsonl", fingerprint([Prompt(o.id, o.text) for o in prompts]), 2))
    (folder / "sweep.yaml").write_text(
        "task: {use: jsonl, options: {path: ./prompts.jsonl, prompt_field: text}}\n"
        "methods: [{router: {use: p}}]\nn: 2\n"
    )
    first = "x" * LONGEST
    whole, cut = (("base", first),), (("base", first), ("aligned", "y"))
    texts = [
        Generation(*one.key, prompt, 0, "".join(text for _, text in pieces), "length", 3, 3, pieces)
        for one in SETTINGS
        for prompt, pieces in (("a", whole), ("b", cut))
    ]
    (folder / "generations.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in texts))
    assert run(folder) == 0
    html = (folder / "report" / "report.html").read_text()
    assert f'<p class="prompt">{"p" * LONGEST}</p>' in html
    assert f'<p class="prompt">{"q" * LONGEST}…</p>' in html
    assert html.count(f"{first}</span></div>") == 2
    assert html.count(f"{first}</span>…</div>") == 2


def test_without_a_plane_there_is_still_a_page_of_what_was_measured(folder: Path) -> None:
    for name in ("format", "distinct-k"):
        (folder / "scores" / f"{name}.jsonl").unlink()
    assert run(folder) == 0
    html = (folder / "report" / "report.html").read_text()
    assert "No metric of quality is there, so there is no plane." in html
    assert "There is nothing to draw." in html
    assert "Coverage, means over planes" not in html
    assert '<th scope="col">distinct-1</th>' in html
    assert {path.suffix for path in (folder / "report").iterdir()} == {
        ".html",
        ".json",
        ".csv",
        ".svg",
        ".png",
    }
