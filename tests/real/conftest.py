"""The real pairs: exported once into the cache folder, then opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from baco_core.cli import main
from baco_core.config import load_config
from baco_core.paths import bundles_folder
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins

CONFIGS = Path(__file__).parents[2] / "configs"
Open = Callable[..., Pipeline]


def exported(name: str) -> Path:
    """Return the config of a real pair, after its bundle was exported if it was not there."""
    config = CONFIGS / f"{name}.yaml"
    if not (bundles_folder() / name / "baco.json").is_file():
        pytest.importorskip("optimum.exporters.onnx", reason="the extra `export` is not installed")
        assert main(["export", "-c", str(config)]) == 0
    return config


@pytest.fixture(scope="session")
def plugins() -> Plugins:
    return load_plugins(())


def opened(config: Path, plugins: Plugins, *overrides: str) -> Pipeline:
    """Return the pipeline of a config; greedy decoding would hide what sampling shows, so it samples."""
    return Pipeline.from_config(load_config(config, overrides), plugins)


@pytest.fixture(scope="session")
def two_views(plugins: Plugins) -> Pipeline:
    return opened(exported("smollm2-two-views"), plugins, "decode.max_new_tokens=16")


@pytest.fixture(scope="session")
def two_tokenizers(plugins: Plugins) -> Pipeline:
    return opened(exported("gemma3-smollm2"), plugins, "decode.max_new_tokens=16")
