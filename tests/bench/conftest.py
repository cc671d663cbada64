"""Fixtures of the tests on measuring."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import made_bundle
import made_plugins
import pytest

from baco_core.config import Config, load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MADE = ("plugins=[acme-made]", "backend={use: made}", "pair={bundle: made}")


@pytest.fixture
def made(tmp_path: Path, install: Callable[..., Path]) -> Callable[..., tuple[Config, Plugins, Pipeline]]:
    """Open the made pair, which has no weights: `made("decode.max_new_tokens=8")`."""
    made_bundle.install(install("acme-none", ""), made_bundle.write_bundle(tmp_path / "bundle"))

    def opened(*settings: str) -> tuple[Config, Plugins, Pipeline]:
        config = load_config(None, [*MADE, *settings])
        plugins = load_plugins(config.plugins)
        return config, plugins, Pipeline.from_config(config, plugins)

    return opened


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the modules in benchmarks/ importable for one test."""
    if not BENCHMARKS.is_dir():
        pytest.skip("benchmarks/ does not come with the wheel")
    for folder in (BENCHMARKS / "peers", BENCHMARKS):
        monkeypatch.syspath_prepend(folder)
    with made_plugins.forgotten(BENCHMARKS):
        yield BENCHMARKS
    assert not any(name in sys.modules for name in ("page", "contest", "exactness"))
