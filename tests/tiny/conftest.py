"""The embedded pair, opened once."""

from __future__ import annotations

import pytest

from baco_core.config import load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return load_plugins(())


@pytest.fixture(scope="session")
def tiny(plugins: Plugins) -> Pipeline:
    return Pipeline.from_config(load_config(None, ["decode.max_new_tokens=32"]), plugins)
