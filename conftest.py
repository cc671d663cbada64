"""Runs the blocks of README and docs: bash as commands, python as one script a file, yaml as a config.

A block that needs the real models carries `<!-- real -->` above it (marker `real`); one that cannot run
anywhere carries `<!-- skip: next "reason" -->`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent
collect_ignore_glob = ["tests/third_party/*"]


def run_bash(example: Example) -> None:
    """Run a block in the document's own folder, with this environment's commands first on the path."""
    folder = example.namespace.setdefault("folder", tempfile.mkdtemp(prefix="baco-docs-"))
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        cwd=folder,
        env={**os.environ, "PATH": search, "BACO_CONFIGS": str(ROOT / "configs")},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        raise AssertionError(f"exit {done.returncode}\n{example.parsed}\n{done.stdout}\n{done.stderr}")


def load_yaml(example: Example) -> None:
    """Load a block as a config; a wrong key or value raises."""
    from baco_core.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baco.yaml"
        path.write_text(example.parsed, "utf-8")
        load_config(path)


pytest_collect_file = Sybil(
    parsers=[
        SkipParser(),
        CodeBlockParser(language="bash", evaluator=run_bash),
        CodeBlockParser(language="yaml", evaluator=load_yaml),
        PythonCodeBlockParser(),
    ],
    patterns=["README.md", "docs/*.md"],
).pytest()
