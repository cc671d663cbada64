"""Runs the blocks of README and docs: bash as commands, python as one script a file, yaml as a config, a
sweep, metrics or a server.

A block that needs the real models carries `<!-- real -->` above it (marker `real`); one that cannot run
anywhere carries `<!-- skip: next "reason" -->`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parent
collect_ignore_glob = ["tests/third_party/*"]


REAL = "<!-- real -->"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark the blocks that need the real models."""
    for item in items:
        example = getattr(item, "example", None)
        if example is not None and example.document.text[: example.start].rstrip().endswith(REAL):
            item.add_marker(pytest.mark.real)


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a document: our commands first, a cache of its own, fetched files shared.

    What a document installs with pip goes into its own folder, over what is installed here.
    """
    from baco_core.paths import cache_folder

    cache = folder / "cache"
    (packages := cache_folder() / "packages").mkdir(parents=True, exist_ok=True)
    if not cache.exists():
        cache.mkdir()
        (cache / "packages").symlink_to(packages, target_is_directory=True)
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    prefix = folder / "installed"
    site = sysconfig.get_path("purelib", vars={"base": str(prefix), "platbase": str(prefix)})
    own = {"BACO_CONFIGS": str(ROOT / "configs"), "BACO_CACHE": str(cache)}
    # pinned: for another version of what is installed here pip would take it away from here
    pins = str(ROOT / "constraints.txt")
    installs = {"PIP_PREFIX": str(prefix), "PIP_CONSTRAINT": pins, "PYTHONPATH": site}
    return {**os.environ, "PATH": search, **own, **installs}


def run_bash(example: Example) -> None:
    """Run a block in the document's own folder."""
    folder = Path(example.namespace.setdefault("folder", tempfile.mkdtemp(prefix="baco-docs-")))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        raise AssertionError(f"exit {done.returncode}\n{example.parsed}\n{done.stdout}\n{done.stderr}")


def load_yaml(example: Example) -> None:
    """Load a block as a config, a sweep (it has `methods`), metrics or a server; a wrong key raises."""
    from baco_core.config import load_config
    from baco_core.plugins import load_plugins
    from baco_eval.metrics.named import metrics_in
    from baco_eval.scoring.choice import choose
    from baco_eval.sweep.config import load_sweep
    from baco_eval.sweep.grid import cells_of
    from baco_server.config_file import load_serve_config

    keys = {line.partition(":")[0] for line in example.parsed.splitlines()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baco.yaml"
        path.write_text(example.parsed, "utf-8")
        if "methods" in keys:
            cells_of(load_sweep(path), load_plugins())
        if "metrics" in keys:
            choose(metrics_in(path), (), load_plugins(), {})
        if keys & {"server", "pairs"}:
            load_serve_config(path)
        if not keys & {"methods", "metrics", "server", "pairs"}:
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
