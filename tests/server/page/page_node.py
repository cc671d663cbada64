"""The page's modules in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


class Node:
    """Runs the probes of `probes.mjs` in one process."""

    def __init__(self, node: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [node, str(folder / "probes.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, probe: str, *given: Any) -> Any:
        """Return what a probe answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([probe, given]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=10)


def find_node() -> str:
    """Return a Node to run; skip where there is none."""
    if found := shutil.which("node"):
        return found
    driver = pytest.importorskip(
        "playwright._impl._driver", reason="neither Node nor Playwright is installed"
    )
    return str(driver.compute_driver_executable()[0])
