"""What a sweep does where nobody reads its progress, and what it looks at before it writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sweep_world import lines_of, made_sweep, sweep_data

from baco_core.cli import main
from baco_core.config_yaml import to_yaml


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
