"""What stops a sweep before its end, and in which order it writes until then."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sweep_world import lines_of, made_sweep
from sweep_world import sweep_data as data_of

from baco_core.cli import main
from baco_core.config_yaml import to_yaml
from baco_core.errors import BacoError
from baco_core.pipeline import Pipeline
from baco_eval.records import Generation
from baco_eval.sweep.budget import Budget, BudgetConfig
from baco_eval.sweep.store import read_generations


def run(folder: Path, **changes: Any) -> list[str]:
    told: list[str] = []
    made_sweep(**changes).run(folder, told.append)
    return told


def test_a_sweep_stops_at_its_budget_and_goes_on_with_a_larger_one(tmp_path: Path) -> None:
    folder, whole = tmp_path / "short", tmp_path / "whole"
    kept = f"texts are kept in {folder}; the same command goes on with more."
    assert run(folder, budget={"texts": 3}) == [f"budget.texts=3 is reached: 3 of 8 {kept}"]
    assert len(lines_of(folder)) == 3
    assert run(folder, budget={"tokens": 17}) == [
        "going on: 3 of 8 texts are there.",
        f"budget.tokens=17 is reached: 5 of 8 {kept}",  # of 4 tokens each
    ]
    assert run(folder, budget={"hours": 1e-5})[1:] == [f"budget.hours=1e-05 is reached: 6 of 8 {kept}"]
    assert run(folder)[-1].startswith("8 of 8 texts are there; 2 of them written now, in ")
    run(whole)
    assert lines_of(folder) == lines_of(whole)


def test_a_budget_that_was_spent_before_opens_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, budget={"texts": 3})
    monkeypatch.setattr(Pipeline, "from_config", lambda *_: pytest.fail("opened"))
    assert run(tmp_path, budget={"texts": 2})[-1].startswith("budget.texts=2 is reached: 3 of 8 texts")


def test_a_budget_for_all_of_it_is_not_reached_before_the_end(tmp_path: Path) -> None:
    assert run(tmp_path, budget={"texts": 8, "tokens": 32})[-1].startswith("8 of 8 texts are there; 8 of")


def test_hours_are_those_of_this_run() -> None:
    now = 5000.0
    text = Generation("p", "a", "fox", 0, "x", "stop", 3, 1)
    budget = Budget(BudgetConfig(hours=0.5, texts=9), [text], lambda: now)
    now += 1799
    assert budget.spent() == ""
    now += 1
    assert budget.spent() == "budget.hours=0.5"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": {"hours": 0}}, "budget.hours: expected float > 0"),
        ({"budget": {"texts": 0}}, "budget.texts: expected int >= 1, got 0"),
        ({"budget": {"tokens": "many"}}, "budget.tokens: expected int"),
        ({"budget": {"days": 1}}, "budget: unknown key 'days'"),
        ({"order": "random"}, "order: "),
    ],
)
def test_a_wrong_budget_or_order_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BacoError) as caught:
        made_sweep(**changes)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_line_sets_the_budget_and_ends_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "sweep.yaml", tmp_path / "out"
    path.write_text(to_yaml(data_of(task={"use": "creative", "options": {"limit": 2}})))
    arguments = ["sweep", "-c", str(path), "--out", str(out)]
    assert main([*arguments, "--set", "budget.texts=1"]) == 0
    assert capsys.readouterr().err.startswith("budget.texts=1 is reached: 1 of 8 texts are kept in")
    assert main(arguments) == 0
    assert len(lines_of(out)) == 8


def test_prompts_first_writes_the_same_texts_in_another_order(tmp_path: Path) -> None:
    methods = [{"match": "p"}, {"router": {"use": "p", "options": {"gamma": [0.2, 0.6]}}}]
    changes = {"methods": methods, "task": {"use": "little", "options": {"count": 3}}, "n": 4}
    run(tmp_path / "methods", **changes)
    run(tmp_path / "prompts", order="prompts", **changes)
    assert lines_of(tmp_path / "methods") == lines_of(tmp_path / "prompts")
    assert runs(tmp_path / "methods") == [
        ("p", "gamma=0.2"),
        ("p", "gamma=0.6"),
        ("rand-as-p", "gamma=0.2"),
        ("rand-as-p", "gamma=0.6"),
    ]
    # chunks of two prompts, and controls last: they need the share of all the others
    controls = [("rand-as-p", "gamma=0.2"), ("rand-as-p", "gamma=0.6")]
    assert runs(tmp_path / "prompts") == [("p", "gamma=0.2"), ("p", "gamma=0.6")] * 2 + controls * 2


def runs(folder: Path) -> list[tuple[str, str]]:
    """Return the settings in the order of their texts."""
    texts = read_generations(folder / "generations.jsonl")
    return [key for key, _ in groupby((text.method, text.setting) for text in texts)]
