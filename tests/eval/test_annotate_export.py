"""What raters are given: pages that tell nothing, and a key that tells all."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import annotate_world as world
import msgspec
import pytest
from annotate_world import ALL, PROMPTS, SETTINGS, export, make_sweep

from baco_core.cli import main
from baco_eval.annotate.choose import named, nearest
from baco_eval.annotate.design import items_of, pages_of
from baco_eval.annotate.page import POLICY, Shown, page
from baco_eval.records import Prompt, Setting

TEXTS = world.texts_of(SETTINGS, 3, PROMPTS)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return make_sweep(tmp_path / "sweep")


class Tags(HTMLParser):
    """Collects attributes, and tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def pages(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in (folder / "pages").iterdir()}


def test_nothing_in_a_page_tells_who_wrote_what(sweep: Path, tmp_path: Path) -> None:
    key = export(sweep, tmp_path / "out", "--settings", ALL)
    told = [one.method for one in SETTINGS] + [one.id for one in SETTINGS]
    told += ["gamma", "0.111", "0.222", "0.333", "wide", "default", "base share", "base_share", "40%", "0.4"]
    told += [key.salt, "c" * 64, "sweep", *(one.id for one in PROMPTS)]
    for text in pages(tmp_path / "out").values():
        shown = re.sub(r"<style>.*?</style>|default-src 'none'", "", text, flags=re.DOTALL)
        assert [word for word in told if word in shown] == []


def test_equal_texts_make_equal_pages_whoever_wrote_them(tmp_path: Path) -> None:
    """Two sweeps that differ in names alone have pages that differ in ids and order alone."""
    other = [Setting(f"{one.method}-renamed", one.id) for one in SETTINGS]
    world.SHARES.update({b.key: world.SHARES[a.key] for a, b in zip(SETTINGS, other, strict=True)})
    found = []
    for name, settings in (("one", list(SETTINGS)), ("two", other)):
        export(
            make_sweep(tmp_path / name, settings), tmp_path / f"{name}-out", "--raters", "1", "--shared", "1"
        )
        [text] = pages(tmp_path / f"{name}-out").values()
        body = re.sub(r"\b[0-9a-f]{8,32}\b", "", text)
        found.append(
            Counter(re.findall(r"[a-z]+", re.sub(r"<li><div.*?</div></li>", "", body, flags=re.DOTALL)))
        )
    assert found[0] == found[1]


def test_texts_are_text_and_keep_their_form(sweep: Path, tmp_path: Path) -> None:
    export(sweep, tmp_path / "out")
    for text in pages(tmp_path / "out").values():
        tags = Tags()
        tags.feed(text)
        assert tags.open == []
        assert "&lt;/div&gt;&lt;script&gt;alert(1)&lt;/script&gt;\n\n\tindented &amp; &lt;b&gt;bold" in text
        assert "white-space:pre-wrap" in text
        assert text.count("<script>") == 1


def test_a_page_asks_no_host_and_runs_its_own_script_only(sweep: Path, tmp_path: Path) -> None:
    export(sweep, tmp_path / "out")
    text = pages(tmp_path / "out")["rater-1"]
    tags = Tags()
    tags.feed(text)
    names = tags.attributes
    assert not {name for name in names if name.startswith("on") or name in ("src", "href", "action")}
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp|https?:", text)
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"{POLICY}; script-src 'sha256-{digest}'" in text


def test_questions_have_names_and_every_mark_says_what_it_means(sweep: Path, tmp_path: Path) -> None:
    key = export(sweep, tmp_path / "out", "--raters", "1")
    text = pages(tmp_path / "out")["rater-1"]
    items = len(key.raters["1"])
    assert text.count("<fieldset") == text.count("<legend>") == items * (2 * 3 + 1)
    assert text.count('type="radio"') == text.count("<label><input") == items * (2 * 3 * 5 + 3)
    assert 'value="5" data-key="5" data-means="Well' not in text
    for heading in ("Diversity", "Quality", "Creativity"):
        assert f'<legend>{heading}<span class="unseen"> of set B</span>' in text
    assert 'value="none" data-key="0"' in text


def test_what_a_page_cannot_hold_is_shown_as_a_mark() -> None:
    text = page("e", "1", [Shown("i", "p\x00", {"A": ["\n  \n x\r\ny\x07 \n", " \n"], "B": ["\x1b"]})])
    assert ">p\N{REPLACEMENT CHARACTER}<" in text
    assert "> x\ny\N{REPLACEMENT CHARACTER}<" in text
    assert "<i>(empty text)</i>" in text


def test_an_export_is_the_same_each_time_and_another_with_another_seed(sweep: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export(sweep, tmp_path / name, "--seed", "7")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert [str(path) for path in files] == ["key.json", *(f"pages/rater-{i}.html" for i in (1, 2, 3))]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    seven, eight = (
        export(sweep, tmp_path / "one", "--seed", "7"),
        export(sweep, tmp_path / "eight", "--seed", "8"),
    )
    assert not set(seven.prompts) & set(eight.prompts)
    assert seven.export != eight.export


def test_the_order_in_which_texts_were_written_does_not_count(sweep: Path, tmp_path: Path) -> None:
    before = export(sweep, tmp_path / "one")
    path = sweep / "generations.jsonl"
    path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    assert export(sweep, tmp_path / "two") == before


def test_ids_cannot_be_told_without_the_texts(sweep: Path, tmp_path: Path) -> None:
    before = export(sweep, tmp_path / "one")
    world.keep_texts(
        sweep,
        [msgspec.structs.replace(one, text=one.text + "!") for one in TEXTS],
    )
    assert not set(before.prompts) & set(export(sweep, tmp_path / "two").prompts)


def test_the_key_tells_whose_texts_are_where(sweep: Path, tmp_path: Path) -> None:
    key = export(sweep, tmp_path / "out", "--settings", ALL, "--texts", "2")
    texts = {(*one.key[:3], one.index): one.text for one in TEXTS}
    for rater, items in key.raters.items():
        shown = pages(tmp_path / "out")[f"rater-{rater}"]
        for item, sets in items.items():
            [section] = re.findall(rf'data-item="{item}".*?<fieldset class="pref', shown, re.DOTALL)
            expected = [texts[*one, key.prompts[item], index] for one in sets for index in range(2)]
            found = re.findall(r'<li><div class="text" dir="auto">(.*?)</div></li>', section, re.DOTALL)
            assert [html.unescape(text) for text in found] == expected
    assert (
        "Keep this file from the people who rate"
        in json.loads((tmp_path / "out/key.json").read_text())["warning"]
    )


def test_raters_share_half_of_the_items_in_orders_of_their_own(sweep: Path, tmp_path: Path) -> None:
    key = export(sweep, tmp_path / "out", "--settings", ALL, "--raters", "3")
    assert len(key.prompts) == 12
    counts = Counter(item for items in key.raters.values() for item in items)
    assert sorted(counts.values()) == [1] * 6 + [3] * 6
    assert {len(items) for items in key.raters.values()} == {8}
    shared = [[item for item in items if counts[item] == 3] for items in key.raters.values()]
    assert len({tuple(items) for items in shared}) == 3
    sides = [[items[item] for item in shared[0]] for items in key.raters.values()]
    assert sides[0] != sides[1]


def test_sides_are_as_often_left_as_right() -> None:
    items = items_of([str(i) for i in range(200)], [("a", "1"), ("b", "1")], 2, "salt")
    page_ = pages_of(items, 1, 1.0, "salt")["1"]
    assert 70 < sum(sets[0] == ("a", "1") for sets in page_.values()) < 130


@pytest.mark.parametrize(("settings", "columns"), [(4, 2), (5, 2), (6, 3), (3, 3), (2, 2), (7, 4)])
def test_settings_meet_evenly_and_each_prompt_shows_all(settings: int, columns: int) -> None:
    keys = [(str(i), "x") for i in range(settings)]
    items = items_of([f"p{i}" for i in range(30)], keys, columns, "salt")
    shown = Counter(one for _, sets in items.values() for one in sets)
    met = Counter(pair for _, sets in items.values() for pair in itertools.combinations(sets, 2))
    assert max(shown.values()) - min(shown.values()) <= 1
    assert len(met) == settings * (settings - 1) // 2
    assert max(met.values()) <= min(met.values()) * 1.5 + 1
    for prompt in {prompt for prompt, _ in items.values()}:
        assert {one for p, sets in items.values() if p == prompt for one in sets} == set(keys)
    assert all(len(set(sets)) == columns for _, sets in items.values())


def test_by_default_one_setting_a_method_is_rated_the_nearest_to_a_base_share(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = export(sweep, tmp_path / "out")
    assert [(one.method, one.id, one.base_share) for one in key.settings] == [
        ("zebra", "gamma=0.222", 0.3),
        ("walrus", "gamma=0.333", 0.9),
        ("ocelot", "default", 0.0),
    ]
    told = capsys.readouterr()
    assert "Of each method the setting with the base share nearest to 0.25." in told.err
    assert "zebra gamma=0.222, base share 30%" in told.err
    assert "Give out the pages only" in told.err
    assert told.out.splitlines()[0] == str(tmp_path / "out" / "key.json")
    assert export(sweep, tmp_path / "more", "--base-share", "0.5").settings[0].id == "gamma=0.111,wide=[1,2]"


def test_named_settings_may_have_commas_and_colons() -> None:
    odd = [Setting("a", "x=1"), Setting("a", "x=1,y=2"), Setting("b:c", "z={'k':1}")]
    assert named("a:x=1,a:x=1,y=2,b:c:z={'k':1}", odd) == odd
    assert nearest(odd, {one.key: 0.5 for one in odd}, 0.2) == [odd[0], odd[2]]


def test_the_control_of_a_chosen_setting_is_chosen_whatever_its_own_base_share() -> None:
    settings = [
        Setting("rand-as-a", "gamma=1", matches=("a", "gamma=1")),
        Setting("rand-as-a", "gamma=2", matches=("a", "gamma=2")),
        Setting("a", "gamma=1"),
        Setting("a", "gamma=2"),
    ]
    shares = dict(zip([one.key for one in settings], (0.24, 0.31, 0.4, 0.3), strict=True))
    assert nearest(settings, shares, 0.25) == [settings[1], settings[3]]


def run(sweep: Path, out: Path, *more: str) -> int:
    return main(["annotate", "export", str(sweep), "--out", str(out), *more])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--settings", "zebra:gamma=0.22,ocelot:default"],
            "--settings: unknown setting 'zebra:gamma=0.22'.",
        ),
        (["--settings", "ocelot:default"], "--settings names 1 setting; people compare two or more"),
        (["--settings", "ocelot:default,ocelot:default"], "ocelot:default is named twice"),
        (["--settings", ""], "--settings names 0 setting"),
        (["--prompts", "7"], "--prompts 7: the sweep has 6 prompts"),
        (["--texts", "4"], "--texts 4: the sweep has 3 texts a prompt"),
        (["--texts", "1"], "'1' is no whole number of 2 or more"),
        (["--raters", "0"], "'0' is no whole number of 1 or more"),
        (
            ["--raters", "9", "--shared", "0", "--prompts", "1"],
            "--raters 9: 7 of them get none of the 2 items; name fewer",
        ),
        (["--shared", "1.5"], "'1.5' is no share from 0 to 1"),
        (["--base-share", "lots"], "'lots' is no share from 0 to 1"),
        (["--columns", "4"], "--columns 4: 3 settings are rated"),
        (["--seed", "-1"], "'-1' is no whole number of 0 or more"),
    ],
)
def test_wrong_wishes_are_one_clear_line(
    sweep: Path, tmp_path: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(run(sweep, tmp_path / "out", *more), message, capsys)
    assert not (tmp_path / "out").exists()


def refused(code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = capsys.readouterr()
    assert code == 2
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert told.out == ""


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda d: (d / "manifest.json").unlink(), "this is no sweep's folder"),
        (lambda d: make_sweep(d, n=1), "n = 1, one text a prompt"),
        (lambda d: (d / "generations.jsonl").unlink(), "0 of 72 texts are there; finish baco sweep first"),
        (
            lambda d: world.keep_texts(d, TEXTS[:-1]),
            "71 of 72 texts are there",
        ),
        (lambda d: (d / "generations.jsonl").write_text("x\n"), "generations.jsonl:1: this line is no"),
        (
            lambda d: world.keep_texts(d, [msgspec.structs.replace(TEXTS[0], prompt="zzz"), *TEXTS[1:]]),
            "generations.jsonl:1: this sweep has no text 0 of prompt 'zzz' by 'zebra'",
        ),
        (lambda d: make_sweep(d, SETTINGS[:2]), "one setting of each method is 1 setting"),
        (lambda d: (d / "prompts.jsonl").write_text('{"prompt": "other"}\n'), "other prompts than when"),
        (lambda d: (d / "prompts.jsonl").unlink(), "prompts.jsonl"),
        (lambda d: (d / "sweep.yaml").write_text("task: ["), "sweep.yaml"),
    ],
)
def test_bad_sweeps_are_one_clear_line(
    sweep: Path,
    tmp_path: Path,
    harm: Callable[[Path], object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    harm(sweep)
    refused(run(sweep, tmp_path / "out"), message, capsys)


def test_no_such_folder_and_a_folder_that_cannot_be_made_are_told(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(run(tmp_path / "nowhere", tmp_path / "out"), "nowhere: this is no sweep's folder", capsys)
    (tmp_path / "file").write_text("")
    refused(run(sweep, tmp_path / "file"), "file: cannot write the file", capsys)


def test_the_key_of_another_export_is_not_overwritten(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = export(sweep, tmp_path / "out")
    capsys.readouterr()
    refused(run(sweep, tmp_path / "out", "--texts", "2"), "another export is there", capsys)
    assert export(sweep, tmp_path / "out") == key


def test_long_prompts_are_shown_whole(tmp_path: Path) -> None:
    long = [Prompt("one", "word " * 2000 + "end")]
    export(make_sweep(tmp_path / "s", prompts=long), tmp_path / "out")
    assert long[0].text in pages(tmp_path / "out")["rater-1"]
