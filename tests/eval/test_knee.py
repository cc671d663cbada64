"""The knee of a trade-off: by hand, on made curves, and of a sweep's folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_world import made_sweep

from baco_core.cli import main
from baco_core.config import Part, load_config
from baco_core.config_yaml import to_yaml
from baco_core.errors import BacoError
from baco_core.plugins import load_plugins
from baco_eval.calibrate.knee import config_at, heights, knee
from baco_eval.records import Score, Setting
from baco_eval.sweep.config import sweep_data
from baco_eval.sweep.manifest import make_manifest, write_manifest

GROUPS = {"distinct-1": "lexical", "ead": "lexical", "vendi": "semantic"}
BENT = [(0.0, 1.0), (0.25, 0.95), (0.6, 0.8), (0.9, 0.3), (1.0, 0.0)]
GAMMAS = (0.1, 0.3, 0.5, 0.7)
POINTS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=8)


def test_heights_are_those_computed_by_hand() -> None:
    found = heights({("ead", "reward"): BENT}, GROUPS)
    assert found is not None
    assert found == pytest.approx(np.array([0, 0.2, 0.4, 0.2, 0]) / math.sqrt(2))


def test_units_and_offsets_do_not_matter() -> None:
    points = np.array(BENT) * [1000, -0.01 * -3] + [-5, 70]
    assert heights({("ead", "reward"): points}, GROUPS) == pytest.approx(
        heights({("ead", "reward"): BENT}, GROUPS)
    )


def test_planes_are_averaged_in_their_group_and_then_the_groups() -> None:
    straight = [(d, 1 - d) for d, _ in BENT]
    planes = {("ead", "reward"): BENT, ("distinct-1", "reward"): straight, ("vendi", "reward"): straight}
    bent = heights({("ead", "reward"): BENT}, GROUPS)
    assert bent is not None
    assert heights(planes, GROUPS) == pytest.approx(bent / 4)


def test_planes_without_extent_are_left_out() -> None:
    flat = [(1.0, q) for _, q in BENT]
    assert heights({("vendi", "reward"): flat}, GROUPS) is None
    both = heights({("vendi", "reward"): flat, ("ead", "reward"): BENT}, GROUPS)
    assert both == pytest.approx(heights({("ead", "reward"): BENT}, GROUPS))


@given(POINTS)
def test_no_setting_dominates_the_knee(points: list[tuple[int, int]]) -> None:
    found = heights({("ead", "reward"): points}, GROUPS)
    if found is None:
        return
    d, q = points[int(np.argmax(found))]
    assert not any(x >= d and y >= q and (x, y) != (d, q) for x, y in points)
    assert found.max() <= 1 / math.sqrt(2) + 1e-12


# --- of a folder ---


def folder_of(
    folder: Path,
    methods: list[dict[str, Any]],
    diversity: Callable[[int], float],
    quality: Callable[[int], float],
) -> Path:
    """Return a sweep's folder with scores that are functions of a setting's place, and no texts."""
    changes = {"methods": methods, "task": {"use": "creative", "options": {"limit": 2}}}
    sweep = made_sweep(**changes)
    folder.mkdir()
    (folder / "scores").mkdir()
    (folder / "generations.jsonl").touch()
    settings = [cell.setting for cell in sweep.cells]
    config = sweep.config_of(sweep.cells[0], "2026-01-02")
    write_manifest(
        make_manifest(sweep.config, config, sweep.plugins, sweep.prompts, settings, "2026-01-02"), folder
    )
    (folder / "sweep.yaml").write_text(to_yaml(sweep_data(sweep.config)))
    for name, value_of in (("distinct-1", diversity), ("reward", quality), ("base-share", diversity)):
        write_scores(folder, name, settings, value_of)
    return folder


def write_scores(folder: Path, name: str, settings: list[Setting], value_of: Callable[[int], float]) -> None:
    scores = [
        Score(name, one.method, one.id, prompt, value_of(place))
        for place, one in enumerate(settings)
        for prompt in ("cat", "dog")
    ]
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in scores)
    (folder / "scores" / f"{name}.jsonl").write_bytes(lines)


def method(use: str = "h", gammas: Any = GAMMAS, **more: Any) -> dict[str, Any]:
    return {"router": {"use": use, "options": {"gamma": list(gammas)}}, **more}


def rising(place: int) -> float:
    return place / 10


def bending(place: int) -> float:
    return 1 - place**2 / 10


def test_the_command_writes_the_setting_at_the_knee(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sampler = {"use": "multinomial", "options": {"temperature": 0.7}}
    folder = folder_of(tmp_path / "swept", [method(sampler=sampler)], rising, bending)
    out = tmp_path / "knee.yaml"
    assert main(["calibrate", "--knee", str(folder), "--out", str(out), "--set", "decode.seed=3"]) == 0
    assert capsys.readouterr().out == ""
    text = out.read_text().replace("\n# ", " ")
    assert "router h with gamma 0.3." in text
    assert "The knee of 4 measured settings: 0.157 above the chord" in text
    assert "the mean over 1 plane. Its measured base share is 10.0 %." in text
    config = load_config(out)
    assert config.router == Part("h", {"gamma": 0.3})
    assert config.sampler == Part("multinomial", {"temperature": 0.7})
    assert (config.decode.max_new_tokens, config.decode.n, config.decode.seed) == (4, 1, 3)
    assert main(["calibrate", "--knee", str(folder), "-c", "configs/tiny.yaml"]) == 0
    assert "gamma: 0.3\n" in capsys.readouterr().out


def test_the_method_is_named_where_there_are_several(tmp_path: Path) -> None:
    methods = [method(), method("p", label="mine"), {"router": {"use": "aligned"}}]
    folder = folder_of(
        tmp_path / "swept", methods, lambda place: rising(place % 4), lambda place: bending(place % 4)
    )
    plugins = load_plugins()
    with pytest.raises(
        BacoError, match=r"several methods have a gamma \(h, mine\); name one with --router\.$"
    ):
        knee(folder, plugins)
    found = knee(folder, plugins, "mine")
    assert (found.router.use, found.gamma, found.settings) == ("p", 0.3, 4)
    assert config_at(found, folder).router == found.router
    with pytest.raises(BacoError, match=r"unknown method with a gamma 'p'.*Available: h, mine\.$"):
        knee(folder, plugins, "p")


def test_an_infinite_gamma_is_a_setting(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "swept", [method(gammas=(math.inf, 2.0, -1.0))], rising, bending)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["settings"][0]["options"]["router"]["options"]["gamma"] == ".inf"
    assert knee(folder, load_plugins()).gamma == 2.0
    folder = folder_of(
        tmp_path / "end", [method(gammas=(math.inf, 2.0, -1.0))], lambda place: [3.0, 0, 1][place], rising
    )
    assert knee(folder, load_plugins()).gamma == -1.0


TEMPERATURES = {"use": "multinomial", "options": {"temperature": [0.5, 1.0]}}


@pytest.mark.parametrize(
    ("methods", "diversity", "quality", "message"),
    [
        (
            [method(gammas=GAMMAS[:2])],
            rising,
            bending,
            "'h' has 2 of the 3 settings that a knee needs at least",
        ),
        (
            [{"router": {"use": "aligned"}, "sampler": TEMPERATURES}],
            rising,
            bending,
            "no method of this sweep that",
        ),
        ([method(sampler=TEMPERATURES)], rising, bending, "settings of 'h' differ in more than gamma"),
        ([method()], lambda _: 1.0, lambda _: 2.0, "all settings have the same diversity and quality"),
        ([method()], rising, lambda _: 2.0, "all settings of 'h' have the same diversity or quality"),
        ([method()], rising, lambda place: -rising(place), "no setting of 'h' lies above the chord"),
        (
            [{**method(), "use": "paraphrase"}],
            rising,
            bending,
            "no method of this sweep that writes each text anew",
        ),
    ],
)
def test_where_there_is_no_knee_one_line_says_why(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    methods: list[dict[str, Any]],
    diversity: Callable[[int], float],
    quality: Callable[[int], float],
    message: str,
) -> None:
    folder = folder_of(tmp_path / "swept", methods, diversity, quality)
    assert main(["calibrate", "--knee", str(folder)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.startswith(f"baco: error: {folder}: ") or "same diversity and quality" in message
    assert len(said.err.splitlines()) == 1


def test_a_folder_without_scores_or_planes_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "swept", [method()], rising, bending)
    (folder / "scores" / "distinct-1.jsonl").unlink()
    with pytest.raises(BacoError, match="there is no plane: "):
        knee(folder, load_plugins())
    for path in (folder / "scores").iterdir():
        path.unlink()
    with pytest.raises(BacoError, match="it has no scores; run baco score first"):
        knee(folder, load_plugins())
