"""What a sweep does where nobody reads its progress, and what it looks at before it writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sweep_world import lines_of, made_sweep, sweep_data

from baco_core.cli import main
from baco_core.config_yaml import to_yaml
from baco_core.errors import BacoError, ConfigError
from baco_core.plugins import load_plugins
from baco_eval.sweep.config import sweep_from_data
from baco_eval.sweep.manifest import make_manifest
from baco_eval.sweep.recipe import Failed, order_of, packed, recipe_of, told
from baco_eval.sweep.run import Sweep
from baco_eval.sweep.work import Chunk, Work
from baco_eval.sweep.worker import Worker


def sweep_file(folder: Path, **changes: object) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(to_yaml(sweep_data(**{"task": {"use": "creative", "options": {"limit": 2}}, **changes})))
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="hands over a pipe")
def test_a_sweep_whose_progress_nobody_reads_writes_all_texts(tmp_path: Path) -> None:
    arguments = ["sweep", "-c", str(sweep_file(tmp_path)), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--set", "budget.texts=2"]) == 0
    read, write = os.pipe()
    os.close(read)  # as after `baco sweep ... 2>&1 | head -1`
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "baco_core.cli", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=write,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert done.returncode == 0
    assert len(lines_of(tmp_path / "out")) == 8
    assert len((tmp_path / "out" / "times.jsonl").read_bytes().splitlines()) == 8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"today": "soon"}, "malformed manifest: Invalid isoformat string: 'soon'; use another folder."),
        ({"n": 3}, "was begun with another number of texts: n was 3 and is 2; put that back, or name "),
        ({"seed": 3}, "was begun with another seed: seed was 3 and is 0; put that back, or name another "),
    ],
)
def test_an_edited_manifest_is_refused(
    changed: dict[str, object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "-c", str(sweep_file(tmp_path)), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--set", "budget.texts=1"]) == 0
    path = tmp_path / "out" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    capsys.readouterr()
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_control_that_is_called_as_a_method_is_not_matched_with_it() -> None:
    x = {"label": "x", "router": {"use": "p", "options": {"gamma": [0.1]}}}
    y = {"label": "y", "router": {"use": "h"}}
    sweep = made_sweep(methods=[x, y, {"match": "y", "label": "x"}, {"match": "x", "label": "z"}])
    matched = [cell.setting.matches for cell in sweep.cells if cell.setting.method == "z"]
    assert matched == [("x", "gamma=0.1")]


PROMPTS: list[dict[str, object]] = [
    {"id": "short", "prompt": "Tell me of a fox.", "paraphrases": ["A fox, please."]},
    {"id": "odd", "prompt": "fox " * 5000},
]
UNFIT = r"^p gamma=0.2, prompt 'odd': base model: the prompt has more than \d+ tokens, and its context is "


def sweep_of(folder: Path, *prompts: dict[str, object], **changes: object) -> Sweep:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    data = sweep_data(task={"use": "jsonl", "options": {"path": str(path)}}, **changes)
    return Sweep.from_config(sweep_from_data(data, "sweep.yaml"), load_plugins())


def test_a_prompt_that_does_not_fit_is_told_before_any_text_is_written(tmp_path: Path) -> None:
    with pytest.raises(BacoError, match=UNFIT):
        sweep_of(tmp_path, *PROMPTS).run(tmp_path / "out", lambda line: None)
    assert lines_of(tmp_path / "out") == []


def test_what_a_later_method_cannot_ask_is_told_before_any_text_is_written(tmp_path: Path) -> None:
    methods = [{"router": {"use": "p"}}, {"use": "in-context"}, {"use": "paraphrase"}]
    sweep = sweep_of(tmp_path, PROMPTS[0], {"id": "bare", "prompt": "A king."}, methods=methods)
    with pytest.raises(ConfigError, match=r"^paraphrase default, prompt 'bare': .* has no paraphrases"):
        sweep.run(tmp_path / "out", lambda line: None)
    assert lines_of(tmp_path / "out") == []


def test_a_worker_tells_of_a_prompt_that_does_not_fit_before_it_writes(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path, *PROMPTS)
    settings = [cell.setting for cell in sweep.cells]
    config = sweep.config_of(sweep.cells[0], "2026-01-02")
    manifest = make_manifest(sweep.config, config, sweep.plugins, sweep.prompts, settings, "2026-01-02")
    work = Work(sweep.config, sweep.plugins, sweep.prompts, sweep.cells, manifest, {}, lambda line: None)
    order = order_of(Chunk(sweep.cells[0], sweep.prompts[:1], 0), work)
    (answer,) = map(told, Worker(packed(recipe_of(work))).write(packed(order)))
    assert isinstance(answer, Failed)
    assert re.match(UNFIT, answer.message)
    assert not answer.ours
