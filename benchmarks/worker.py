"""The asking side of a measuring process (peers/protocol.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
THREADS = 2


class WorkerError(Exception):
    """A measuring process could not do what it was asked."""


class Worker:
    """A measuring process; it ends with the `with` block it was opened in."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as sink:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sink, env=environment
            )
        self.about: Mapping[str, Any] = self._answer()["ready"]

    def ask(self, op: str, **request: Any) -> Mapping[str, Any]:
        """Return the answer to a request; WorkerError with what the process says when it fails."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps({"op": op, **request}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Mapping[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.name} ended without an answer; see {self._log}")
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.name}: {answer['error']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()


def ours(log: Path) -> Worker:
    """Start BACo."""
    return Worker("BACo", [sys.executable, str(HERE / "ours.py")], log, os.environ)


def peer(name: str, python: str, arguments: Sequence[str], log: Path) -> Worker:
    """Start a peer's runner: with our threads, without our modules, and without the network."""
    own = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": str(THREADS)}
    environment = {**os.environ, **own}
    environment.pop("PYTHONPATH", None)
    return Worker(name, [python, str(HERE / "peers" / f"{name}_runner.py"), *arguments], log, environment)
