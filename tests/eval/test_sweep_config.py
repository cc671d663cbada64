"""The config of a sweep: strict, and expanded to settings whose ids are stable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sweep_world import made_sweep
from sweep_world import sweep_data as data_of

from baco_core.config import Part
from baco_core.config_yaml import parse_yaml, to_yaml
from baco_core.errors import BacoError
from baco_eval.sweep.config import load_sweep, sweep_data, sweep_from_data
from baco_eval.sweep.grid import setting_id


def ids_of(*methods: dict[str, Any]) -> list[str]:
    return [" ".join(cell.setting.key) for cell in made_sweep(methods=list(methods)).cells]


def p(gamma: Any, **more: Any) -> dict[str, Any]:
    return {"router": {"use": "p", "options": {"gamma": gamma}}, **more}


def test_every_value_of_every_knob_is_tried_with_every_other() -> None:
    sampler = {"use": "multinomial", "options": {"temperature": [0.7, 1], "top_p": 0.9}}
    assert ids_of(p([0.1, 0.3], sampler=sampler)) == [
        "p gamma=0.1,temperature=0.7",
        "p gamma=0.1,temperature=1",
        "p gamma=0.3,temperature=0.7",
        "p gamma=0.3,temperature=1",
    ]


def test_a_method_without_knobs_has_one_setting() -> None:
    assert ids_of({}, p(0.2), p(0.4, label="more")) == ["aligned default", "p default", "more default"]


def test_methods_have_knobs_of_their_own() -> None:
    assert ids_of({"use": "in-context", "options": {"keep": [1, 2]}}) == [
        "in-context keep=1",
        "in-context keep=2",
    ]


def test_a_list_that_an_option_takes_itself_is_one_value() -> None:
    marks = {"use": "p-punc", "options": {"gamma": 0.1, "probe": ["base", "aligned"]}}
    assert ids_of({"router": marks}) == ["p-punc probe=base", "p-punc probe=aligned"]
    examples = {"use": "nudging", "options": {"gamma": [0.5]}}
    assert ids_of({"router": examples}) == ["nudging gamma=0.5"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.3, "0.3"),
        (0.30000000000000004, "0.30000000000000004"),
        (1.0, "1"),
        (1, "1"),
        (-0.0, "0"),
        (float("inf"), ".inf"),
        (1e-5, "1e-05"),
        (True, "true"),
        (None, "null"),
        ("base", "base"),
    ],
)
def test_equal_values_have_equal_ids(value: Any, shown: str) -> None:
    assert setting_id([("router", "x", value)]) == f"x={shown}"


def test_knobs_of_one_name_are_told_apart() -> None:
    knobs = [("router", "gamma", 1), ("sampler", "gamma", 2), ("sampler", "top_p", 0.5)]
    assert setting_id(knobs) == "router.gamma=1,sampler.gamma=2,top_p=0.5"


def test_a_setting_tells_all_its_options() -> None:
    (cell,) = made_sweep(methods=[p([float("inf")])]).cells
    assert cell.setting.options == {
        "use": "regenerate",
        "router": {"use": "p", "options": {"gamma": ".inf"}},
        "sampler": {"use": "multinomial", "options": {"top_p": 0.95}},
    }
    assert cell.router == Part("p", {"gamma": float("inf")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nn": 3}, "sweep.yaml: unknown key 'nn'. Did you mean 'n'?"),
        ({"n": 0}, "sweep.yaml: n: expected int >= 1, got 0."),
        ({"seed": -1}, "sweep.yaml: seed: expected int >= 0, got -1."),
        ({"seed": 2**64}, "sweep.yaml: seed must be from 0 to 2**64 - 1"),
        ({"methods": []}, "sweep.yaml: methods: there is none; name one."),
        ({"methods": {}}, "sweep.yaml: methods: expected a list"),
        ({"methods": [{"routr": {}}]}, "methods[0]: unknown key 'routr'. Did you mean 'router'?"),
        ({"methods": [{"use": "incontext"}]}, "methods[0].use: unknown baseline 'incontext'. Did you mean"),
        ({"methods": [{"router": {"use": "p-pnuc"}}]}, "methods[0].router.use: unknown router 'p-pnuc'. Did"),
        ({"methods": [p([0.1, "x"])]}, "methods[0].router.options.gamma: expected float, got 'x'."),
        ({"methods": [p([])]}, "methods[0].router.options.gamma: there is no value in this list."),
        ({"methods": [p([-1])]}, "methods[0].router.options"),
        ({"methods": [{}, p([1, 1.0])]}, "methods[1]: methods[1] has a setting 'gamma=1' of 'p' already"),
        ({"methods": [p([1]), p([1])]}, "methods[1]: methods[0] has a setting 'gamma=1' of 'p' already"),
        ({"methods": [{"label": ""}]}, "methods[0].label: expected str of length >= 1"),
        (
            {"sampler": {"use": "multinomial", "options": {"top": 1}}},
            "sweep.yaml: sampler.options: unknown key",
        ),
        ({"decode": {"n": 3}}, "sweep.yaml: decode.n: a sweep has its own; write 'n' at the top."),
        (
            {"decode": {"allow_inexact": True}},
            "decode.allow_inexact: a sweep that goes on must write",
        ),
        ({"task": {"use": "litle"}}, "sweep.yaml: task.use: unknown task 'litle'. Did you mean 'little'?"),
        (
            {"task": {"use": "little", "options": {"cout": 1}}},
            "task.options: unknown key 'cout'. Did you mean",
        ),
        ({"task": {"use": "little", "options": {"count": 0}}}, "sweep.yaml: task: 'little' has no prompts."),
        ({"task": {"use": "twins"}}, "sweep.yaml: task: 'twins' has the id 'a' twice."),
        ({"pair": {"bundle": "tiny", "base": "x"}}, "sweep.yaml: pair: give either 'bundle', or both"),
    ],
)
def test_a_wrong_config_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BacoError) as caught:
        made_sweep(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_config_without_task_or_methods_says_what_is_missing() -> None:
    with pytest.raises(BacoError, match=r"sweep.yaml: key 'task' is missing"):
        sweep_from_data({"methods": [{}]}, "sweep.yaml")
    with pytest.raises(BacoError, match=r"sweep.yaml: expected a mapping, got \[\]"):
        sweep_from_data([], "sweep.yaml")


def test_plain_data_of_a_sweep_makes_an_equal_one() -> None:
    sweep = sweep_from_data(
        data_of(methods=[p([0.1, float("inf")]), {"use": "in-context", "label": "asked"}])
    )
    assert sweep_from_data(parse_yaml(to_yaml(sweep_data(sweep)), "")) == sweep


def test_overrides_change_one_value_and_are_named_when_wrong(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(to_yaml(data_of()))
    sweep = load_sweep(path, ["n=7", "task.options.count=1"])
    assert (sweep.n, sweep.task.options) == (7, {"count": 1})
    assert sweep.origin == str(path)
    with pytest.raises(BacoError, match=r"--set n=x: n: expected int, got 'x'"):
        load_sweep(path, ["n=x"])
    with pytest.raises(BacoError, match=r"--set nn=1: unknown key 'nn'"):
        load_sweep(path, ["nn=1"])


def test_a_method_is_overridden_by_its_place_in_the_list(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(to_yaml(data_of(methods=[p([0.1]), p([0.2])])))
    for place in ("methods.1", "methods[1]"):
        sweep = load_sweep(path, [f"{place}.router.options.gamma=[0.3, 0.4]", f"{place}.label=more"])
        assert [method.router.options["gamma"] for method in sweep.methods] == [[0.1], [0.3, 0.4]]
        assert sweep.methods[1].name == "more"
    for text, message in (
        ("methods[2].label=x", "'2' is no index into a list of 2"),
        ("methods.p.label=x", "'p' is no index into a list of 2"),
        ("methods[1].lable=x", "unknown key 'lable'. Did you mean 'label'"),
        ("metrics[0].use=ead", "metrics: expected a list"),
    ):
        with pytest.raises(BacoError) as caught:
            load_sweep(path, [text])
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_folders_of_the_pair_and_paths_of_the_task_begin_at_the_file(tmp_path: Path) -> None:
    sweep = sweep_from_data(data_of(pair={"bundle": "./mine"}), str(tmp_path / "sweep.yaml"))
    assert sweep.config(Part("p"), Part("multinomial"), "2026-01-02").pair.bundle == str(tmp_path / "mine")
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "Hello?"}\n')
    (tmp_path / "sweep.yaml").write_text(
        to_yaml(data_of(task={"use": "jsonl", "options": {"path": "./prompts.jsonl"}}))
    )
    from sweep_world import little_plugins

    from baco_eval.sweep.run import prompts_of

    (prompt,) = prompts_of(load_sweep(tmp_path / "sweep.yaml"), little_plugins())
    assert prompt.text == "Hello?"
