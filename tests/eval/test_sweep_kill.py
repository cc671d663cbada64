"""A sweep that is killed at any moment goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kill_a_sweep import BIG
from sweep_world import lines_of, made_sweep

KILLS = 50


def sizes_after_kills(folder: Path, kills: int) -> list[list[int]]:
    """Run sweeps to their end, killed so often before; return for each how large its file was each time."""
    program = Path(__file__).with_name("kill_a_sweep.py")
    paths = [str(program.parent), *filter(None, sys.path)]
    done = subprocess.run(
        [sys.executable, str(program), str(folder), str(kills), "4"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    sizes: list[list[int]] = json.loads(done.stdout)
    return sizes


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_fifty_kills_at_random_moments_change_no_byte_and_write_nothing_twice(tmp_path: Path) -> None:
    sweeps = sizes_after_kills(tmp_path / "killed", KILLS)
    assert sum(map(len, sweeps)) == KILLS
    assert all(sizes == sorted(sizes) for sizes in sweeps), "a text that was finished is gone"
    assert sum(len(set(sizes)) for sizes in sweeps) > KILLS / 2, "too few kills while texts were written"
    assert sizes_after_kills(tmp_path / "undisturbed", 0) == [[]]
    lines = lines_of(tmp_path / "undisturbed" / "0")
    assert len(lines) == made_sweep(**BIG).size
    keys = ("method", "setting", "prompt", "index")
    assert len({tuple(json.loads(line)[key] for key in keys) for line in lines}) == len(lines)
    assert all(lines_of(tmp_path / "killed" / str(sweep)) == lines for sweep in range(len(sweeps)))
