"""The loop against an oracle that has no cache and rereads everything for every token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.decode import Rules
from baco_core.decoding import Decoding
from baco_core.errors import ContextError, PluginError
from baco_core.exchange import BLOCK_BYTES, SharedTokens
from baco_core.lane import Lane, Prefix
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.schedules import SCHEDULES
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, PlainSampler, ScriptedRouter, fake_vocabulary
from tests.core.worlds import (
    ALIGNED,
    BASE,
    CONTEXTS,
    SHARED,
    World,
    generation,
    run,
    scripts,
    seeds,
    told,
    write,
)


def own_tokens(world: World, source: Source, text: Sequence[tuple[int, Source]]) -> list[int]:
    """The definition of a transcript, straight from who wrote what."""
    if world.shared:
        ids = [token_id for token_id, _ in text]
        if text and text[0][1] is not source and (piece := SHARED.pieces[ids[0]]) and world.lead:
            heard = world.lead + piece if source is BASE else piece.removeprefix(world.lead)
            ids[:1] = ids[:1] if heard == piece else world.encode(source)(heard)
        return ids
    settled: list[int] = []
    heard = b""
    for position, (token_id, writer) in enumerate(text):
        vocabulary = world.vocabularies[writer]
        piece = vocabulary.pieces[token_id]
        if position == 0:
            piece = piece.removeprefix(world.lead) if writer is BASE else world.lead_of(source) + piece
        if writer is source:
            settled += [*world.encode(source)(heard), token_id]
            heard = b""
        elif vocabulary.begins_word[token_id] and len(heard) >= BLOCK_BYTES:
            settled += world.encode(source)(heard)
            heard = piece
        else:
            heard += piece
    return settled + world.encode(source)(heard)


def oracle(
    world: World, script: Sequence[Source], length: int, seed: int, temperature: float, everywhere: bool
) -> list[tuple[int, Source]]:
    """DESIGN 3 word for word: no lanes, no caches, no schedules."""
    noise = GumbelNoise(seed, 0)
    text: list[tuple[int, Source]] = []

    def pick(source: Source) -> int:
        row = world.models[source].row([*CONTEXTS[source], *own_tokens(world, source, text)])
        scores = row.astype(np.float64)
        if temperature:
            scores = scores / temperature + noise.row(len(text), row.size)
        return int(np.argmax(scores))

    speaker: Source | None = None
    while len(text) < length:
        begins = speaker is None or everywhere or world.vocabularies[speaker].begins_word[pick(speaker)]
        speaker = script[len(text) % len(script)] if begins or speaker is None else speaker
        token_id = pick(speaker)
        text.append((token_id, speaker))
        if token_id in world.vocabularies[speaker].end_ids:
            break
    return text


@given(
    scripts,
    seeds,
    st.sampled_from([0.0, 0.7, 1.0]),
    st.sampled_from(sorted(SCHEDULES)),
    st.booleans(),
    st.sampled_from([b"", b" "]),
)
def test_every_schedule_equals_rereading_everything(
    script: tuple[Source, ...], seed: int, temperature: float, schedule: str, everywhere: bool, lead: bytes
) -> None:
    world = World(lead=lead)
    steps = run(
        world,
        ScriptedRouter(script),
        seed=seed,
        temperature=temperature,
        schedule=schedule,
        everywhere=everywhere,
    )
    assert told(steps) == oracle(world, script, 24, seed, temperature, everywhere)


@given(scripts, seeds, st.sampled_from(sorted(SCHEDULES)), st.sampled_from([b"", b" "]))
def test_with_two_tokenizers_every_schedule_equals_rereading_everything(
    script: tuple[Source, ...], seed: int, schedule: str, lead: bytes
) -> None:
    world = World(shared=False, lead=lead)
    steps = run(world, ScriptedRouter(script), seed=seed, schedule=schedule, length=40)
    assert told(steps) == oracle(world, script, 40, seed, 1.0, everywhere=False)


@given(scripts, seeds, st.sampled_from([b"", b" "]), st.booleans())
def test_both_models_have_read_exactly_the_text(
    script: tuple[Source, ...], seed: int, lead: bytes, shared: bool
) -> None:
    world = World(shared=shared, lead=lead)
    lanes = world.lanes()
    steps = run(world, ScriptedRouter(script), seed=seed, lanes=lanes, length=40)
    text = b"".join(step.data for step in steps)
    read = {
        source: world.vocabularies[source].bytes_of(lane.transcript.tokens())
        for source, lane in lanes.items()
    }
    assert read[ALIGNED] == text
    assert read[BASE].removeprefix(lead) == text


@given(scripts, seeds, st.booleans())
def test_what_a_router_looks_at_never_changes_the_text(
    script: tuple[Source, ...], seed: int, shared: bool
) -> None:
    world = World(shared=shared)
    blind = told(run(world, ScriptedRouter(script), seed=seed))
    assert told(run(world, ScriptedRouter(script, frozenset(Source)), seed=seed)) == blind


@given(scripts, seeds)
def test_a_pair_of_two_equal_models_writes_as_that_model_alone(script: tuple[Source, ...], seed: int) -> None:
    world = World(same_model=True)
    contexts = dict.fromkeys(Source, (65, 66))
    mixed = run(world, ScriptedRouter(script), seed=seed, lanes=world.lanes(contexts))
    alone = run(world, ScriptedRouter((BASE,)), seed=seed, lanes=world.lanes(contexts))
    assert [step.token_id for step in mixed] == [step.token_id for step in alone]


@given(scripts, seeds)
def test_sources_change_only_where_the_speaker_would_begin_a_word(
    script: tuple[Source, ...], seed: int
) -> None:
    world = World()
    steps = run(world, ScriptedRouter(script), seed=seed)
    history = list(CONTEXTS[BASE]), list(CONTEXTS[ALIGNED])
    for before, step in pairwise(steps):
        for read in history:
            read.append(before.token_id)
        row = world.models[before.source].row(history[before.source is ALIGNED])
        pick = Picker(PlainSampler(), GumbelNoise(seed, 0)).pick(row, (), step.position)
        assert (step.decision is not None) == bool(SHARED.begins_word[pick])
        assert step.source is before.source or step.decision is not None


def test_an_unused_model_is_never_run() -> None:
    world = World()
    steps = run(world, ScriptedRouter((BASE,)))
    assert world.models[ALIGNED].forwards == 0
    assert world.models[BASE].forwards == len(steps)


def test_who_may_change_at_every_token_runs_only_who_speaks() -> None:
    world = World()
    steps = run(world, ScriptedRouter((BASE, ALIGNED)), everywhere=True, length=6)
    assert [step.source for step in steps] == [BASE, ALIGNED] * 3
    # each reads its context, and then two new tokens at a time
    assert {source: model.forwards for source, model in world.models.items()} == {BASE: 3, ALIGNED: 4}


def test_plain_runs_both_models_for_every_token_and_lazy_reads_what_was_missed_in_one_chunk() -> None:
    eager, idle = World(), World()
    script = ScriptedRouter((BASE,) * 11 + (ALIGNED,))
    run(eager, script, seed=2, schedule="plain", everywhere=True, length=12)
    run(idle, script, seed=2, schedule="lazy", everywhere=True, length=12)  # a seed that draws no end token
    assert {source: model.forwards for source, model in eager.models.items()} == {BASE: 12, ALIGNED: 12}
    # the base model picks 11 tokens; the aligned one reads its context, then 11 tokens at once
    assert {source: model.forwards for source, model in idle.models.items()} == {BASE: 11, ALIGNED: 2}


def test_samples_read_the_prompt_once_and_do_not_disturb_each_other() -> None:
    world = World()
    prefixes = {source: Prefix(model, CONTEXTS[source], 24, source) for source, model in world.models.items()}
    router = ScriptedRouter((BASE, ALIGNED))
    together = []
    for sample in range(4):
        lanes = {source: Lane(prefix, SharedTokens()) for source, prefix in prefixes.items()}
        together.append(told(run(world, router, sample=sample, lanes=lanes)))
    assert together == [told(run(World(), router, sample=sample)) for sample in range(4)]
    assert len({tuple(text) for text in together}) == 4
    opened = sum(len(steps) for steps in together) * 2 + sum(map(len, CONTEXTS.values()))
    assert sum(model.tokens_read for model in world.models.values()) <= opened


@pytest.mark.parametrize(
    ("word", "writer", "text", "heard"),
    [
        ("t", BASE, "t", "t"),
        (" the", BASE, "the", "the"),
        ("use", ALIGNED, "use", " use"),
        ("house", ALIGNED, "house", " house"),
        (" cat", ALIGNED, " cat", "  cat"),
        (" ", BASE, "", ""),
    ],
)
def test_with_one_vocabulary_the_first_word_is_heard_as_the_context_wants_it(
    word: str, writer: Source, text: str, heard: str
) -> None:
    vocabulary = fake_vocabulary((" the", "the", "use", " use", "house", " cat"))
    world = World(lead=b" ")
    world.vocabularies = dict.fromkeys(Source, vocabulary)
    first = vocabulary.pieces.index(word.encode())
    world.models = {
        source: FakeModel(1, vocabulary.size, favour=[first], lift=100.0 if source is writer else 0.0)
        for source in Source
    }
    transcript = SharedTokens(world.encode(writer.other), world.lead_of(writer.other), vocabulary.pieces)
    lanes = {
        source: Lane(
            Prefix(model, CONTEXTS[source], 1, source),
            transcript if source is not writer else SharedTokens(),
        )
        for source, model in world.models.items()
    }
    (step,) = run(world, ScriptedRouter((writer,)), length=1, lanes=lanes)
    assert step.data == text.encode()
    assert vocabulary.bytes_of(transcript.tokens()) == heard.encode()
    if heard and heard.encode() in vocabulary.pieces:
        assert transcript.tokens() == [vocabulary.pieces.index(heard.encode())]


def test_a_context_without_room_is_refused_before_any_work() -> None:
    world = World(limit=20)
    with pytest.raises(ContextError, match="3 prompt tokens and 18 new ones exceed its context of 20"):
        Prefix(world.models[ALIGNED], CONTEXTS[ALIGNED], 18, ALIGNED)
    assert world.models[ALIGNED].forwards == 0


def test_a_lane_is_full_when_no_token_fits_in() -> None:
    model = FakeModel(1, SHARED.size, context_limit=5)
    lane = Lane(Prefix(model, (1, 2, 3), 2, BASE), SharedTokens())
    found = []
    for _ in range(3):
        found.append(lane.full)
        lane.transcript.heard(65, b"A", begins_word=False)
    assert found == [False, False, True]


@given(scripts, seeds)
def test_with_two_tokenizers_a_full_context_ends_the_text_on_every_schedule(
    script: tuple[Source, ...], seed: int
) -> None:
    texts = []
    for schedule in SCHEDULES:
        world = World(shared=False, limit=40)
        texts.append(told(run(world, ScriptedRouter(script), seed=seed, schedule=schedule, length=37)))
    assert all(text == texts[0] for text in texts)


def test_the_end_token_ends_the_text_whoever_picks_it_unless_it_is_banned() -> None:
    world = World()
    end = SHARED.size - 1
    world.models[BASE] = replace(world.models[BASE], favour=[end], lift=100.0)
    router = ScriptedRouter((ALIGNED, BASE))
    steps = run(world, router, everywhere=True)
    assert [step.ended for step in steps] == [False, True]
    assert steps[-1].token_id == end
    rules = Rules(router.needs, world.vocabularies, {BASE: [end]}, 24, switch_everywhere=True)
    picker = Picker(PlainSampler(), GumbelNoise(0))
    kept_on = write(world, Decoding(world.lanes(), router.start(generation(world)), picker, rules))
    assert all(step.token_id != end for step in kept_on if step.source is BASE)
    assert len(kept_on) > 2


class Raises:
    needs: frozenset[Source] = frozenset()

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def start(self, generation: Generation) -> Decider:
        return self

    def decide(self, point: DecisionPoint) -> Decision | None:
        if point.position == 3:
            return self.answer  # type: ignore[return-value]
        return Decision(BASE)


@pytest.mark.parametrize("answer", [None, "base", Decision("base")])  # type: ignore[arg-type]
def test_a_router_without_a_decision_is_named_with_its_position(answer: object) -> None:
    world = World()
    router = Raises(answer)
    rules = Rules(
        router.needs, world.vocabularies, {}, 9, switch_everywhere=True, router="router 'x' (plugin y)"
    )
    with pytest.raises(PluginError, match=r"router 'x' \(plugin y\) answered .* at position 3"):
        write(world, Decoding(world.lanes(), router, Picker(PlainSampler(), GumbelNoise(0)), rules))


@dataclass
class Watches:
    """Notes what it is shown, and changes the writer at every decision."""

    seen: list[DecisionPoint]
    needs: frozenset[Source] = frozenset({ALIGNED})

    def start(self, generation: Generation) -> Decider:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        self.seen.append(point)
        return Decision(ALIGNED if point.current is BASE else BASE)


@pytest.mark.parametrize("lead", [b"", b" "])
def test_a_router_sees_the_text_so_far_who_wrote_last_and_the_rows_it_needs(lead: bytes) -> None:
    world = World(shared=False, lead=lead)
    router = Watches([])
    steps = run(world, router)
    assert [point.position for point in router.seen] == [step.position for step in steps if step.decision]
    assert len(router.seen) > 3
    for point in router.seen:
        before = steps[: point.position]
        assert point.text == b"".join(step.data for step in before).decode("utf-8", errors="replace")
        assert point.current is (before[-1].source if before else None)
        text = own_tokens(world, ALIGNED, told(before))
        assert set(point.rows) == {ALIGNED}
        expected = world.models[ALIGNED].row([*CONTEXTS[ALIGNED], *text])
        assert np.array_equal(point.rows[ALIGNED], expected)


def test_routers_cannot_write_into_rows() -> None:
    world = World()
    for step in run(world, ScriptedRouter((BASE, ALIGNED))):
        with pytest.raises(ValueError, match="read-only"):
            step.row[0] = 0.0
