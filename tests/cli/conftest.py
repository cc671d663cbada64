"""Fixtures of the command line's tests."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from baco_core.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


Run = Callable[..., Answer]


@pytest.fixture
def baco(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process: `baco("config", "show", stdin=b"")`."""

    def run(*arguments: str, stdin: bytes = b"") -> Answer:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        code = main(arguments)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return run


@pytest.fixture
def refused(baco: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command that must fail as a user's mistake does, and return its one line.

    It runs in an empty folder, which must stay empty, with a cache folder that must not be made; a
    mistake found only after models were opened (`opened`) may leave what is kept about their exactness.
    """
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BACO_CACHE", str(tmp_path / "cache"))

    def run(*arguments: str, stdin: bytes = b"", opened: bool = False) -> str:
        answer = baco(*arguments, stdin=stdin)
        assert answer.code == 2, answer
        assert answer.out == ""
        assert answer.err.startswith("baco: error: ")
        assert answer.err.count("\n") == 1
        assert "Traceback" not in answer.err
        assert os.listdir(folder) == []
        cache = tmp_path / "cache"
        assert os.listdir(cache) == ["exactness"] if opened else not cache.exists()
        return answer.err.removeprefix("baco: error: ").rstrip("\n")

    return run


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command in a process of its own; or Python `code`, or a line for the `shell`."""

    def run(
        *arguments: str, code: str = "", shell: str = "", **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        search = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, "PYTHONPATH": search, "BACO_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, *(["-c", code] if code else ["-m", "baco_core.cli", *arguments])]
        command = ["bash", "-c", shell] if shell else command
        settings = {"capture_output": True, "env": environment, "cwd": tmp_path, **options}
        return subprocess.run(command, check=False, **settings)

    return run
