"""A report says what the scores say, in tables, pictures and a page that is safe to open."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from baco_core.cli import main
from baco_core.errors import ConfigError
from baco_eval.records import Generation, Score, Setting
from baco_eval.report.ink import looks, number
from baco_eval.report.knobs import draw_shares
from baco_eval.report.planes import draw_planes
from baco_eval.report.results import Measure, Results, compute
from baco_eval.sweep.lines import write_whole
from baco_eval.sweep.manifest import Manifest, TaskRecord, write_manifest

A = {"0": (0.0, 1.0), "0.5": (0.5, 0.5), "1": (1.0, 0.0)}
B = {"0.3": (0.25, 0.75), "0.6": (0.75, 0.75)}
SETTINGS = [Setting("a", f"gamma={k}") for k in A] + [Setting("b", f"gamma={k}") for k in B]
POINTS = dict(zip([one.key for one in SETTINGS], [*A.values(), *B.values()], strict=True))
PROMPTS = ("fox", "boat", "king")
Value = Callable[[Setting, int], float | None]


def measure(
    name: str, group: str, value: Value, direction: int = 1, settings: Sequence[Setting] = SETTINGS
) -> Measure:
    """Return a metric's scores of each setting and prompt; None is not measured."""
    scores = [
        Score(name, *one.key, prompt, found, "no <model>." if found is None else "")
        for one in settings
        for i, prompt in enumerate(PROMPTS)
        for found in [value(one, i)]
    ]
    return Measure(name, direction, group, "f & g", "by hand", scores)


def diversity(one: Setting, prompt: int) -> float:
    """Return what the mean over prompts is the first coordinate of."""
    return POINTS[one.key][0] + (prompt - 1) / 8


def quality(one: Setting, prompt: int) -> float:
    return POINTS[one.key][1]


DISTINCT = measure("distinct-1", "lexical", diversity)
KINDS = measure("distinct-k", "semantic", diversity)
REWARD = measure("reward", "quality", quality)


def report(*measures: Measure, settings: Sequence[Setting] = SETTINGS, partial: bool = False) -> Results:
    return compute(settings, measures or [DISTINCT, KINDS, REWARD], resamples=20, partial=partial)


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
    assert any(note.startswith("nudging gamma=0.4 has no finished prompt") for note in results.notes)


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


def words_of(svg: str) -> set[str | None]:
    """Return the texts of a picture; it must be well-formed."""
    root = ElementTree.fromstring(svg)  # noqa: S314 -- we made it
    return {node.text for node in root.iter() if node.tag.endswith("text")}


def test_pictures_are_whole_svg_with_every_method_named() -> None:
    share = measure("base-share", "other", lambda one, i: float(one.id.partition("=")[2]), 0)
    results = report(DISTINCT, KINDS, REWARD, share)
    for svg in (draw_planes(results, "reward"), draw_shares(results)):
        assert svg is not None
        assert {"a", "b"} <= words_of(svg)


def test_labels_are_text_in_pictures() -> None:
    rude = [msgspec.structs.replace(one, method="<b>&\"'") for one in SETTINGS[:3]]
    POINTS.update({one.key: point for one, point in zip(rude, A.values(), strict=True)})
    both = [
        measure(n, g, f, settings=rude)
        for n, g, f in (
            ("ead", "lexical", diversity),
            ("reward", "quality", quality),
            ("base-share", "other", quality),
        )
    ]
    results = report(*both, settings=rude)
    assert "<b>" not in draw_planes(results, "reward")
    for svg in (draw_planes(results, "reward"), draw_shares(results) or ""):
        assert "<b>&\"'" in words_of(svg)


def test_there_is_no_picture_of_gamma_without_one() -> None:
    plain = [Setting("a", "default"), Setting("a", "temperature=0.5"), Setting("a", "gamma=.inf")]
    measures = [measure("base-share", "other", lambda one, i: 0.5, 0, settings=plain)]
    assert draw_shares(report(*measures, settings=plain)) is None


def test_forty_two_methods_look_unlike_and_numbers_are_short() -> None:
    assert len(set(looks(map(str, range(42))).values())) == 42
    assert [number(x) for x in (0, -0.0, 0.01254, -1.5, 1324.4, 2.5e-7, 3e6)] == [
        "0",
        "0",
        "0.0125",
        "−1.5",
        "1324",
        "2.5e−7",
        "3e6",
    ]


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
        if tag not in ("meta", "path", "rect"):
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
    names = {"report.html", "report.json", "settings.csv", "planes.csv", "means.csv"}
    assert {path.name for path in out.iterdir()} == {*names, "planes-format.svg", "base-share.svg"}
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
    assert not {name for name in names if name.startswith("on") or name in ("src", "href", "xlink:href")}
    assert not re.search(r"url\(|@import", html)
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
