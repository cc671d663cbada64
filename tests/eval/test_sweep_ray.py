"""A sweep by two workers of a Ray cluster on this machine, against the same in one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep_world import lines_of, sweep_data

from baco_core.cli import main
from baco_core.config_yaml import to_yaml

pytest.importorskip("ray", reason="needs ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]
METHODS: list[dict[str, Any]] = [
    {"match": "p"},
    {"router": {"use": "p", "options": {"gamma": [0.2, 0.6]}}},
    {"use": "in-context", "router": {"use": "rand", "options": {"gamma": 0.5}}},
]
SIZE = 5 * 4 * 4
PATIENCE_S = 100


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 5 settings x 4 prompts x 4 texts; two settings are controls, one shows earlier texts."""
    path = tmp_path_factory.mktemp("ray") / "sweep.yaml"
    data = sweep_data(task={"use": "creative", "options": {"limit": 4}}, n=4, methods=METHODS)
    path.write_text(to_yaml({**data, "backend": {"use": "onnxruntime"}}))
    return path


@pytest.fixture(scope="module")
def lines(config: Path) -> list[bytes]:
    """What one process writes."""
    assert main(arguments(config, config.parent / "local")) == 0
    found = lines_of(config.parent / "local")
    assert len(found) == SIZE
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Each test ends without a process of Ray's that it began."""
    before = set(processes())
    yield
    until = time.monotonic() + 30
    while (left := set(processes()) - before) and time.monotonic() < until:
        time.sleep(0.2)
    assert not left


def arguments(config: Path, out: Path, *more: str) -> list[str]:
    return ["sweep", "-c", str(config), "--out", str(out), *more]


def on_ray(config: Path, out: Path, *more: str) -> list[str]:
    return arguments(config, out, "--executor", "ray", "--workers", "2", *more)


def processes(name: str = "ray::", below: int = os.getpid()) -> list[int]:
    """Return the processes below this one whose command line has this in it, Ray's servers included."""
    names = (name, "raylet", "gcs_server") if name == "ray::" else (name,)
    parents, found = {}, []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            stat, line = (
                (folder / "stat").read_text(),
                (folder / "cmdline").read_bytes().decode(errors="replace"),
            )
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        if any(each in line.split("\0")[0] for each in names):
            found.append(int(folder.name))
    return [each for each in found if _is_below(each, below, parents)]


def _is_below(process: int, ancestor: int, parents: dict[int, int]) -> bool:
    while process > 1:
        process = parents.get(process, 0)
        if process == ancestor:
            return True
    return False


def begun(command: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))}
    return subprocess.Popen(
        [sys.executable, "-m", "baco_core.cli", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_texts(out: Path, count: int) -> None:
    path, until = out / "generations.jsonl", time.monotonic() + PATIENCE_S
    while not (path.exists() and path.read_bytes().count(b"\n") >= count):
        assert time.monotonic() < until, "no texts"
        time.sleep(0.02)


def wait_for_end(processes: list[int]) -> None:
    until = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < until, "processes outlive the driver that began them"
        time.sleep(0.2)


def test_two_workers_write_what_one_process_writes(
    config: Path, lines: list[bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(on_ray(config, tmp_path / "out")) == 0
    assert lines_of(tmp_path / "out") == lines
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].startswith(
        f"{SIZE} of {SIZE} texts are there; {SIZE} of them written now"
    )
    assert all(f"of {SIZE} texts" in line for line in told.err.splitlines()), "progress, and nothing of Ray's"
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_a_driver_that_is_killed_leaves_no_process_and_goes_on(
    config: Path, lines: list[bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    driver = begun(on_ray(config, out))
    wait_for_texts(out, 12)
    of_ray, workers = processes(below=driver.pid), processes("ray::Worker", driver.pid)
    assert len(workers) == 2
    driver.kill()
    driver.communicate(timeout=60)
    wait_for_end(workers)
    kept = len(lines_of(out))
    assert 12 <= kept < SIZE
    driver = begun(on_ray(config, out))
    told = driver.communicate(timeout=PATIENCE_S)[1].splitlines()
    assert driver.returncode == 0
    assert told[0] == f"going on: {kept} of {SIZE} texts are there."
    assert told[-1].startswith(f"{SIZE} of {SIZE} texts are there; {SIZE - kept} of them written now")
    assert lines_of(out) == lines
    wait_for_end(of_ray)  # Ray's servers give themselves a minute


def test_a_worker_that_is_killed_is_replaced_and_ctrl_c_ends_with_130(
    config: Path, lines: list[bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    driver = begun(on_ray(config, out))
    wait_for_texts(out, 8)
    os.kill(processes("ray::Worker", driver.pid)[0], signal.SIGKILL)
    wait_for_texts(out, 24)
    os.killpg(driver.pid, signal.SIGINT)
    stdout, stderr = driver.communicate(timeout=PATIENCE_S)
    told = [line for line in stderr.splitlines() if "(raylet)" not in line]
    assert driver.returncode == 130
    assert stdout == ""
    kept = len(lines_of(out))
    assert sum("a worker died on " in line for line in told) == 1
    assert told[-2:] == [
        f"{kept} of {SIZE} texts are kept in {out}; the same command goes on.",
        "baco: interrupted.",
    ]
    assert main(arguments(config, out)) == 0, "what one executor began, another ends"
    assert lines_of(out) == lines


CLUSTER = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
         object_store_memory=80 * 2**20)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.readline()
print(len([node for node in ray.nodes() if node["Alive"]]), flush=True)
"""


def test_a_cluster_that_is_there_is_used_and_stays(
    config: Path, lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, map(os.path.abspath, sys.path)))}
    other = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    try:
        monkeypatch.setenv("RAY_ADDRESS", other.stdout.readline().strip())
        assert main(on_ray(config, tmp_path / "out")) == 0
        assert lines_of(tmp_path / "out") == lines
        assert other.communicate("\n", timeout=60)[0] == "1\n", "the cluster is still there"
    finally:
        other.kill()
        other.communicate(timeout=60)
