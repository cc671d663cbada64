"""Pictures hold what was measured, tell methods apart, and are the same bytes each time."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from xml.etree import ElementTree

import msgspec
import pytest
from report_world import (
    AS_B,
    DISTINCT,
    KINDS,
    POINTS,
    REWARD,
    SETTINGS,
    A,
    diversity,
    measure,
    quality,
    report,
)

from baco_eval.records import Setting
from baco_eval.report.figure import DPI, WIDTH, Picture
from baco_eval.report.look import LONGEST, fitted, looks
from baco_eval.report.planes import draw_means, draw_planes
from baco_eval.report.results import Results
from baco_eval.report.shares import draw_shares
from baco_eval.report.write import draw

SHARE = measure("base-share", "other", lambda one, i: float(one.id.partition("=")[2]), 0)


@cache
def full() -> Results:
    return report(DISTINCT, KINDS, REWARD, SHARE)


@cache
def pictured() -> dict[str, Picture]:
    """Return the pictures of all there is, drawn once."""
    return draw(full())


def words_of(picture: Picture | None) -> set[str | None]:
    """Return the texts of a picture; it must be well-formed."""
    assert picture is not None
    root = ElementTree.fromstring(picture.svg)  # noqa: S314 -- we made it
    return {node.text for node in root.iter() if node.tag.endswith("text")}


def test_every_picture_is_there_as_svg_and_png() -> None:
    pictures = pictured()
    assert list(pictures) == ["coverage", "dominance", "overview", "planes-reward", "base-share"]
    for picture in pictures.values():
        root = ElementTree.fromstring(picture.svg)  # noqa: S314 -- we made it
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("role") == "img"
        assert root.get("aria-label") == picture.title
        assert {"a", "b"} <= words_of(picture)
        assert picture.png.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", picture.png[16:24])
        assert width == round(WIDTH * DPI)
        assert 200 < height < 10.5 * DPI


def test_the_same_results_are_the_same_bytes_even_in_another_process() -> None:
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests/eval'); import matplotlib; "
        "matplotlib.rcParams['font.size'] = 20; from test_report_pictures import draw, full; "
        "print(*(hashlib.sha256(one.svg.encode() + one.png).hexdigest() for one in draw(full()).values()))"
    )
    here = [hashlib.sha256(one.svg.encode() + one.png).hexdigest() for one in pictured().values()]
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.split() == here


def test_ids_of_pictures_do_not_meet_on_a_page_and_nothing_else_is_referred_to() -> None:
    pictures = pictured()
    ids: list[str] = []
    for name, picture in pictures.items():
        own = re.findall(r' id="([^"]*)"', picture.svg)
        assert len(set(own)) == len(own)
        assert all(one.startswith(f"{name}-") for one in own)
        referred = re.findall(r'href="#([^"]*)"|url\(#([^)]*)\)', picture.svg)
        assert {first or second for first, second in referred} <= set(own)
        assert len(re.findall(r"href=|url\(", picture.svg)) == len(referred)
        ids += own
    assert len(set(ids)) == len(ids)


def test_no_date_and_no_address_is_in_a_picture() -> None:
    for picture in pictured().values():
        assert "<metadata" not in picture.svg
        assert not re.search(r"20\d\d-\d\d", picture.svg)
        assert set(re.findall(r"https?://[^\"]*", picture.svg)) <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
        }
        assert b"tEXt" not in picture.png.replace(b"tEXtdpi", b"")


def points_of(svg: str, colour: str) -> list[tuple[float, float]]:
    """Return the corners of the line that joins a method's front."""
    paths = re.findall(rf'<path d="([^"]*)" clip-path="[^"]*" style="fill: none; stroke: {colour}', svg)
    numbers = [float(one) for one in re.findall(r"[-\d.]+", paths[0])]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_lines_join_the_front_of_each_method_where_it_was_measured() -> None:
    svg = draw_planes(report(DISTINCT, REWARD), "reward").svg
    (x0, y0), (x1, y1), (x2, y2) = points_of(svg, looks("ab")["a"].colour)
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 - y0 == pytest.approx(y2 - y1)
    assert x2 > x0
    assert y2 > y0  # down, where quality is less
    ((x, y),) = points_of(svg, looks("ab")["b"].colour)[-1:]
    assert x == pytest.approx((x0 + 3 * x2) / 4, abs=0.01)
    assert y == pytest.approx((3 * y0 + y2) / 4, abs=0.01)


def test_a_metric_of_which_less_is_better_is_drawn_upside_down_and_says_so() -> None:
    turned = measure("faults", "quality", lambda one, prompt: 10 - quality(one, prompt), -1)
    picture = draw_planes(report(DISTINCT, turned), "faults")
    assert "faults (less is better)" in words_of(picture)
    first = points_of(picture.svg, looks("ab")["a"].colour)
    assert first[0][1] < first[-1][1]


def test_group_means_are_of_all_planes_of_a_group() -> None:
    words = words_of(draw_means(report(DISTINCT, KINDS, REWARD)))
    assert {"lexical: 1 plane", "semantic: 1 plane"} <= words
    assert draw_means(report(DISTINCT, measure("length", "other", diversity, 0))) is None


def test_controls_are_one_entry_of_the_legend_and_differences_are_drawn() -> None:
    every = [*SETTINGS, *AS_B]
    measures = [
        measure("distinct-1", "lexical", diversity, settings=every),
        measure("reward", "quality", quality, settings=every),
    ]
    pictures = draw(report(*measures, settings=every))
    assert "random controls" in words_of(pictures["planes-reward"])
    assert "rand-as-b" not in words_of(pictures["planes-reward"])
    assert "rand-as-b" in words_of(pictures["coverage"])
    assert "rand-as-b" not in words_of(pictures["dominance"])
    assert "b" in words_of(pictures["differences"])
    assert "a" not in words_of(pictures["differences"])


def rude(name: str) -> Results:
    own = [msgspec.structs.replace(one, method=name) for one in SETTINGS[:3]]
    POINTS.update({one.key: point for one, point in zip(own, A.values(), strict=True)})
    both: Iterable[tuple[str, str]] = (("ead", "lexical"), ("base-share", "other"))
    measures = [measure(n, g, diversity, settings=own) for n, g in both]
    return report(*measures, measure("reward", "quality", quality, settings=own), settings=own)


@pytest.mark.parametrize("name", ["<b>&\"'", "$\\frac$ 50% _", "_hidden", 'id="x" href="#y" url(#z)', "字"])
def test_labels_are_text_whatever_they_are(name: str) -> None:
    for picture in draw(rude(name)).values():
        assert fitted(name, 24) in words_of(picture)


def test_long_names_lose_their_middle_and_control_characters() -> None:
    shown = fitted("a-method-with-a-name-that-has-no-end-1")
    assert len(shown) == LONGEST
    assert shown.startswith("a-method")
    assert shown.endswith("end-1")
    assert fitted("a\x00b") == "a�b"


def test_there_is_no_picture_of_gamma_without_one() -> None:
    plain = [Setting("a", "default"), Setting("a", "temperature=0.5"), Setting("a", "gamma=.inf")]
    measures = [measure("base-share", "other", lambda one, i: 0.5, 0, settings=plain)]
    assert draw_shares(report(*measures, settings=plain)) is None


def test_gammas_of_one_method_with_another_knob_are_lines_of_their_own() -> None:
    own = [Setting("p", f"gamma={g},temperature={t}") for g in (0.1, 0.9) for t in (0.5, 1)]
    share = measure("base-share", "other", lambda one, i: 0.3, 0, settings=own)
    found = words_of(draw_shares(report(share, settings=own)))
    assert {"p", "temperature=0.5", "temperature=1"} <= found


def test_forty_two_methods_look_unlike_and_the_random_router_is_black() -> None:
    found = looks([*map(str, range(42)), "rand"])
    assert len(set(found.values())) == 43
    assert found["rand"].colour == "#1a1a1a"
    assert found["0"] == looks(["rand", "0"])["0"]
