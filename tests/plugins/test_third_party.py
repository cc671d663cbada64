"""A package of somebody else, installed from its own pyproject, decides tokens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import made_plugins
import pytest

from baco_core.config import load_config
from baco_core.plugins import Plugins, load_plugins
from baco_core.source import Source
from baco_core.testing import check_router

PACKAGE = Path(__file__).parents[1] / "third_party" / "acme_routers"
CONFIG = """
plugins: [acme-routers]
router: {use: alternate, options: {words: 2}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as pip installs it."""
    pytest.importorskip("hatchling", reason="the package is built with hatchling, without a download")
    target = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(PACKAGE)], check=True
    )
    return target


@pytest.fixture
def plugins(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    monkeypatch.syspath_prepend(site)
    file = tmp_path / "c.yaml"
    file.write_text(CONFIG)
    with made_plugins.forgotten(site):
        yield load_plugins(load_config(file).plugins)


def test_it_is_loaded_with_its_own_distribution_and_version(plugins: Plugins) -> None:
    assert str(plugins.routers.owner("alternate")) == "acme-routers (0.3.1)"


def test_its_routers_keep_the_contract(plugins: Plugins) -> None:
    config = load_config(None, ["router={use: alternate, options: {words: 3}}"])
    check_router(plugins.routers.build(config.router, "router"))
    nested = "router={use: veto, options: {router: {use: p, options: {gamma: 0.4}}}}"
    veto = plugins.routers.build(load_config(None, [nested]).router, "router")
    assert veto.needs == {Source.BASE}
    check_router(veto)


def test_it_is_not_there_unless_a_config_names_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    assert "alternate" not in load_plugins().routers
    assert "acme_routers" not in sys.modules
