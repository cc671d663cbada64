"""Controls: random texts at the base share of the setting that they match."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_world import lines_of, made_sweep

from baco_core.errors import ConfigError
from baco_core.pipeline import Pipeline
from baco_eval.records import Generation
from baco_eval.sweep.manifest import read_manifest
from baco_eval.sweep.store import read_generations

METHODS: list[dict[str, Any]] = [
    {"match": "p"},
    {"router": {"use": "p", "options": {"gamma": [0.2, 0.6, 1.5]}}},
    {"router": {"use": "aligned"}},
    {"match": "aligned", "label": "control"},
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep with controls."""
    folder = tmp_path_factory.mktemp("controls") / "whole"
    made_sweep(n=3, methods=METHODS, decode={"max_new_tokens": 24}).run(folder, lambda line: None)
    return folder


def texts_of(folder: Path, method: str, setting: str) -> list[Generation]:
    there = read_generations(folder / "generations.jsonl")
    return sorted(
        (text for text in there if (text.method, text.setting) == (method, setting)),
        key=lambda text: text.key,
    )


def share(texts: list[Generation]) -> float:
    return sum(text.base_tokens for text in texts) / sum(text.tokens for text in texts)


def test_each_setting_of_a_method_has_a_control_and_controls_come_last(whole: Path) -> None:
    manifest = read_manifest(whole)
    assert manifest is not None
    assert [(setting.key, setting.matches) for setting in manifest.settings] == [
        (("p", "gamma=0.2"), None),
        (("p", "gamma=0.6"), None),
        (("p", "gamma=1.5"), None),
        (("aligned", "default"), None),
        (("rand-as-p", "gamma=0.2"), ("p", "gamma=0.2")),
        (("rand-as-p", "gamma=0.6"), ("p", "gamma=0.6")),
        (("rand-as-p", "gamma=1.5"), ("p", "gamma=1.5")),
        (("control", "default"), ("aligned", "default")),
    ]


def test_a_control_is_what_rand_writes_at_the_share_of_the_texts_it_matches(whole: Path) -> None:
    matched = share(texts_of(whole, "p", "gamma=0.6"))
    assert 0 < matched < 1
    rand = {"router": {"use": "rand", "options": {"gamma": matched}}}
    sweep = made_sweep(methods=[rand], decode={"max_new_tokens": 24, "batch": 3})
    pipeline = Pipeline.from_config(sweep.config_of(sweep.cells[0], "2026-01-02"), sweep.plugins)
    wanted = {sample.index: sample.text for sample in pipeline.generate("Tell me a story about a fox.")}
    controls = texts_of(whole, "rand-as-p", "gamma=0.6")
    found = {text.index: text.text for text in controls if text.prompt == "fox"}
    assert wanted == found


def test_controls_at_the_end_points_are_the_texts_themselves(whole: Path) -> None:
    for method, control, setting in (("p", "rand-as-p", "gamma=1.5"), ("aligned", "control", "default")):
        matched = texts_of(whole, method, setting)
        assert matched
        assert [text.text for text in texts_of(whole, control, setting)] == [text.text for text in matched]


def test_a_control_lands_near_the_share_it_is_given(whole: Path) -> None:
    for setting in ("gamma=0.2", "gamma=0.6"):
        wanted, found = (share(texts_of(whole, method, setting)) for method in ("p", "rand-as-p"))
        assert found == pytest.approx(wanted, abs=0.15)  # of some 140 tokens


def test_an_interrupted_sweep_gives_its_controls_the_same_share(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    for name in ("manifest.json", "sweep.yaml"):
        (folder / name).write_bytes((whole / name).read_bytes())
    lines = lines_of(whole)
    (folder / "generations.jsonl").write_bytes(b"".join(lines[: len(lines) * 3 // 4]))
    made_sweep(n=3, methods=METHODS, decode={"max_new_tokens": 24}).run(folder, lambda line: None)
    assert sorted(lines_of(folder)) == sorted(lines)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([{"match": "h"}, METHODS[1]], "methods[0].match: no method to match is called 'h': p."),
        (
            [METHODS[1], {"match": "p", "label": "c"}, {"match": "c"}],
            "methods[2].match: no method to match is called 'c': p.",
        ),
        (
            [METHODS[1], {"match": "p", "router": {"use": "h"}}],
            "takes all but its label from the one it matches",
        ),
        ([METHODS[1], {"match": "p"}, {"match": "p"}], "give one a 'label' of its own"),
    ],
)
def test_a_control_of_nothing_is_refused(methods: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made_sweep(methods=methods)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
