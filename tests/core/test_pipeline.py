"""What a config makes of a generation: ends, leads, noise of each sample, counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import made_bundle
import pytest

from baco_core.bundle import ModelFiles
from baco_core.config import load_config
from baco_core.errors import ContextError
from baco_core.model import Model
from baco_core.noise import UniformStream
from baco_core.opening import open_pair
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins
from baco_core.prompts import Message
from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, fake_vocabulary

BASE, ALIGNED = Source.BASE, Source.ALIGNED
PIECES = fake_vocabulary().pieces
END = len(PIECES) - 1


@dataclass(frozen=True)
class Favours:
    """A backend whose models nearly always write one token."""

    token_id: int

    def load(self, files: ModelFiles) -> Model:
        return FakeModel(1, files.vocab_size, files.context_limit, [self.token_id], 100.0)


def pipeline(tmp_path: Path, token_id: int, *overrides: str) -> Pipeline:
    folder = tmp_path / "bundle"
    if not folder.exists():
        made_bundle.write_bundle(folder)
    config = load_config(None, [f"pair.bundle={folder}", "decode.max_new_tokens=6", *overrides])
    plugins = load_plugins(())
    return Pipeline(
        pair=open_pair(config.pair, Favours(token_id), plugins.bundles),
        router=plugins.routers.build(config.router, "router"),
        sampler=plugins.samplers.build(config.sampler, "sampler"),
        decode=config.decode,
        prompts=config.prompts,
        plugins=plugins,
    )


@pytest.mark.parametrize(
    ("router", "end", "tokens", "reason"),
    [
        ("base", "either", 1, "stop"),
        ("base", "aligned", 6, "length"),
        ("aligned", "either", 1, "stop"),
        ("aligned", "aligned", 1, "stop"),
    ],
)
def test_who_may_end_the_text(tmp_path: Path, router: str, end: str, tokens: int, reason: str) -> None:
    (sample,) = pipeline(tmp_path, END, f"decode.end={end}", f"router={{use: {router}}}").generate("A cat")
    assert (len(sample.tokens), sample.finish_reason) == (tokens, reason)
    assert [event.token_id == END for event in sample.tokens] == [reason == "stop"] * tokens


@pytest.mark.parametrize(
    ("router", "base", "text"),
    [("base", "question-answer", "cat cat"), ("base", "plain", " cat cat"), ("aligned", "plain", " cat cat")],
)
def test_the_space_that_the_base_context_left_out_is_no_text(
    tmp_path: Path, router: str, base: str, text: str
) -> None:
    word = PIECES.index(b" cat")
    made = pipeline(tmp_path, word, f"router={{use: {router}}}", f"prompts.base={base}")
    (sample,) = made.generate("A cat")
    assert sample.text.startswith(text)


@pytest.mark.parametrize("exchange", ["tokens", "text"])
def test_only_the_base_context_has_left_a_space_to_the_first_word(tmp_path: Path, exchange: str) -> None:
    made = pipeline(tmp_path, END, f"pair.exchange={exchange}")
    lanes = made.pair.lanes(made.read("A cat").prefixes, b" ")
    for source, heard in ((BASE, b" cat"), (ALIGNED, b"cat")):
        lanes[source].transcript.heard(PIECES.index(b" cat"), b"cat", begins_word=True)
        assert b"".join(PIECES[token] for token in lanes[source].transcript.tokens()) == heard


@pytest.mark.parametrize("exchange", ["tokens", "text"])
def test_a_prompt_that_leaves_less_room_is_refused_or_shortens_its_texts(
    tmp_path: Path, exchange: str
) -> None:
    given = "decode.n=2", f"pair.exchange={exchange}"
    whole = pipeline(tmp_path, PIECES.index(b" cat"), *given)
    longest = max(map(len, whole.read("A cat").contexts.values()))
    made_bundle.write_bundle(tmp_path / "small" / "bundle", context_limit=longest + 3)
    small = pipeline(tmp_path / "small", PIECES.index(b" cat"), *given)
    with pytest.raises(ContextError, match=r"and 6 new ones exceed its context"):
        small.generate("A cat")
    short = replace(small, decode=replace(small.decode, overflow="shorten")).generate("A cat")
    for sample, longer in zip(short, whole.generate("A cat"), strict=True):
        assert 1 <= len(sample.tokens) <= 3  # fewer where the other model has it in more tokens
        assert longer.text.startswith(sample.text)
        assert sample.finish_reason == "length"


def test_a_prompt_that_leaves_no_room_at_all_is_refused_however_it_is_set(tmp_path: Path) -> None:
    made = pipeline(tmp_path, END, "decode.overflow=shorten")
    with pytest.raises(ContextError, match=r"^base model: \d+ prompt tokens leave no room in its context of"):
        made.read("x" * 4096)


def test_each_sample_has_its_own_noise_for_the_router(tmp_path: Path) -> None:
    made = pipeline(
        tmp_path, PIECES.index(b" cat"), "router={use: rand}", "decode.n=3", "decode.switch_at=token"
    )
    for sample in made.generate("A cat"):
        draws = UniformStream(0, sample.index)
        expected = [BASE if draws.at(position) < 0.5 else ALIGNED for position in range(6)]
        assert [event.source for event in sample.tokens] == expected


def test_prompt_tokens_are_those_the_aligned_model_reads(tmp_path: Path) -> None:
    made = pipeline(tmp_path, END)
    contexts = made.read("A cat").contexts
    assert len(contexts[ALIGNED]) != len(contexts[BASE])
    assert made.generate("A cat")[0].usage.prompt_tokens == len(contexts[ALIGNED])


@dataclass(frozen=True)
class Asks:
    """Notes the prompt it is told."""

    told: list[str]
    needs: frozenset[Source] = frozenset()

    def start(self, generation: Generation) -> Decider:
        self.told.append(generation.prompt)
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        return Decision(BASE)


def test_a_router_is_told_the_last_turn_of_a_conversation(tmp_path: Path) -> None:
    told: list[str] = []
    made = replace(pipeline(tmp_path, END), router=Asks(told))
    made.generate([Message("user", "A cat"), Message("assistant", "No."), Message("user", "A dog")])
    assert told == ["A dog"]
