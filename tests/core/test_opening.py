"""Opening pairs: end tokens of a common vocabulary are common."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from baco_core.config import PairConfig, Part
from baco_core.opening import open_pair
from baco_core.plugins import load_plugins
from baco_core.source import Source


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """The embedded pair, its base model with one end token and its aligned model with another."""
    folder = tmp_path / "pair"
    shutil.copytree(load_plugins(()).bundles.get("tiny"), folder)
    manifest = json.loads((folder / "baco.json").read_text("utf-8"))
    manifest["members"]["base"]["end_ids"] = [0]
    manifest["members"]["aligned"]["end_ids"] = [2]
    (folder / "baco.json").write_text(json.dumps(manifest), "utf-8")
    return str(folder)


def ends_of(config: PairConfig) -> list[frozenset[int]]:
    plugins = load_plugins(())
    pair = open_pair(config, plugins.backends.build(Part("onnxruntime"), "backend"), plugins.bundles)
    return [pair.members[source].tokenizer.vocabulary.end_ids for source in Source]


def test_with_one_vocabulary_the_end_tokens_of_either_model_end_the_text(bundle: str) -> None:
    assert ends_of(PairConfig(bundle=bundle)) == [{0, 2}, {0, 2}]


def test_with_text_exchange_each_model_has_its_own_end_tokens(bundle: str) -> None:
    assert ends_of(PairConfig(bundle=bundle, exchange="text")) == [{0}, {2}]


def test_two_views_of_one_model_share_its_tokenizer() -> None:
    plugins = load_plugins(())
    backend = plugins.backends.build(Part("onnxruntime"), "backend")
    views = open_pair(PairConfig(base="tiny:aligned", aligned="tiny:aligned"), backend, plugins.bundles)
    assert views.members[Source.BASE].tokenizer is views.members[Source.ALIGNED].tokenizer
    pair = open_pair(PairConfig(bundle="tiny"), backend, plugins.bundles)
    assert pair.members[Source.BASE].tokenizer is not pair.members[Source.ALIGNED].tokenizer
