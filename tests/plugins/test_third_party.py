"""A package of somebody else, installed from its own pyproject, decides tokens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import made_bundle
import made_plugins
import pytest

from baco_core.config import load_config
from baco_core.pipeline import Pipeline
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


def test_named_in_yaml_it_decides_who_writes_which_word(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(site)
    made = made_bundle.install(tmp_path / "made", made_bundle.write_bundle(tmp_path / "bundle"))
    monkeypatch.syspath_prepend(made)
    file = tmp_path / "c.yaml"
    file.write_text(
        "plugins: [acme-routers, acme-made]\nbackend: {use: made}\npair: {bundle: made}\n"
        "router: {use: alternate, options: {words: 2}}\ndecode: {max_new_tokens: 40, n: 2}\n"
    )
    config = load_config(file)
    with made_plugins.forgotten(site, made):
        pipeline = Pipeline.from_config(config, load_plugins(config.plugins))
        samples = pipeline.generate("A cat")
        counter = sys.modules["acme_routers.counter"]
        assert sum(counter.counts.values()) == sum(len(sample.tokens) for sample in samples)
    for sample in samples:
        deciders = [event for event in sample.tokens if event.decision is not None]
        turns = [event.source for event in deciders]
        assert turns == [[Source.BASE, Source.ALIGNED][index // 2 % 2] for index in range(len(turns))]
        assert len(turns) > 4
        assert {event.decision.reason for event in deciders if event.decision} == {"takes turns"}


def test_it_is_not_there_unless_a_config_names_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    assert "alternate" not in load_plugins().routers
    assert "acme_routers" not in sys.modules
