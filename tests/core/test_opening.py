"""Opening pairs: end tokens of a common vocabulary are common."""

from __future__ import annotations

from baco_core.config import PairConfig, Part
from baco_core.opening import open_pair
from baco_core.plugins import load_plugins
from baco_core.source import Source


def ends_of(config: PairConfig) -> list[frozenset[int]]:
    plugins = load_plugins(())
    pair = open_pair(config, plugins.backends.build(Part("onnxruntime"), "backend"), plugins.bundles)
    return [pair.members[source].tokenizer.vocabulary.end_ids for source in Source]


def test_with_one_vocabulary_the_end_tokens_of_either_model_end_the_text() -> None:
    base, aligned = ends_of(PairConfig(bundle="tiny"))
    assert base == aligned
    assert len(base) == 2


def test_with_text_exchange_each_model_has_its_own_end_tokens() -> None:
    base, aligned = ends_of(PairConfig(bundle="tiny", exchange="text"))
    assert base < aligned
