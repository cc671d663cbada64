"""Many texts at once, read ahead, together or in threads: each says what it says alone (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.decode import Rules, Step
from baco_core.decoding import Decoding
from baco_core.engine import Engine, Inline, Threads
from baco_core.errors import ModelError
from baco_core.lane import Prefix
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.prefixes import PrefixCache
from baco_core.rows import Rows
from baco_core.scheduler import Scheduler
from baco_core.schedules import SCHEDULES
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, FakeSequence, PlainSampler, ScriptedRouter
from tests.core.worlds import ALIGNED, BASE, SHARED, World, generation, run, scripts, seeds, told, write

ENGINES: tuple[Callable[[], Engine], ...] = (Inline, Threads)
BOTH = frozenset(Source)


def text(world: World, router: ScriptedRouter, seed: int, sample: int = 0, length: int = 24) -> Decoding:
    rules = Rules(router.needs, world.vocabularies, {}, length, lead=world.lead)
    picker = Picker(PlainSampler(), GumbelNoise(seed, sample))
    return Decoding(world.lanes(), router.start(generation(world, seed, sample)), picker, rules)


def shared_world() -> World:
    """Two views of one model."""
    world = World()
    world.models = dict.fromkeys(Source, world.models[BASE])
    return world


def worlds(kind: str) -> World:
    return shared_world() if kind == "views" else World(shared=kind == "tokens", lead=b" ")


@settings(max_examples=40)
@given(
    st.lists(scripts, min_size=1, max_size=4),
    seeds,
    st.sampled_from(["tokens", "text", "views"]),
    st.sampled_from(sorted(SCHEDULES)),
    st.sampled_from(ENGINES),
    st.sampled_from([frozenset(), frozenset({BASE}), BOTH]),
)
def test_texts_written_together_say_what_each_says_alone(
    some: Sequence[tuple[Source, ...]],
    seed: int,
    kind: str,
    schedule: str,
    engine: Callable[[], Engine],
    needs: frozenset[Source],
) -> None:
    world = worlds(kind)
    texts = [text(world, ScriptedRouter(script, needs), seed, index) for index, script in enumerate(some)]
    scheduler = Scheduler(list(world.models.values()), SCHEDULES[schedule], engine())
    for one in texts:
        scheduler.add(one)
    found: dict[int, list[Step]] = {id(one): [] for one in texts}
    while scheduler.busy:
        for decoding, step in scheduler.run():
            found[id(decoding)].append(step)
    scheduler.close()
    for index, (one, script) in enumerate(zip(texts, some, strict=True)):
        alone = run(worlds(kind), ScriptedRouter(script, needs), seed=seed, sample=index, schedule="plain")
        assert told(found[id(one)]) == told(alone)


@given(st.lists(st.tuples(st.integers(0, 6), scripts), min_size=1, max_size=5), seeds, st.integers(0, 4))
def test_texts_that_come_late_or_are_dropped_change_nothing(
    arrivals: Sequence[tuple[int, tuple[Source, ...]]], seed: int, dropped: int
) -> None:
    world = World()
    scheduler = Scheduler(list(world.models.values()), SCHEDULES["speculative"], Inline())
    texts = [text(world, ScriptedRouter(script, BOTH), seed, i) for i, (_, script) in enumerate(arrivals)]
    found: dict[int, list[Step]] = {id(one): [] for one in texts}
    for turn in range(60):
        for one, (when, _) in zip(texts, arrivals, strict=True):
            if when == turn:
                scheduler.add(one)
        if turn == 3 and dropped < len(texts):
            scheduler.drop(texts[dropped])
        for decoding, step in scheduler.run():
            found[id(decoding)].append(step)
    for index, (one, (_, script)) in enumerate(zip(texts, arrivals, strict=True)):
        alone = told(run(World(), ScriptedRouter(script, BOTH), seed=seed, sample=index))
        so_far = told(found[id(one)])
        assert so_far == (alone[: len(so_far)] if index == dropped else alone)


def test_a_guess_that_comes_true_saves_the_checking_model_its_passes() -> None:
    """Twins with one noise always agree, so the other model checks whole drafts."""
    agreeing = World(same_model=True)
    contexts = dict.fromkeys(Source, (65, 66))
    router = ScriptedRouter((ALIGNED,), frozenset({BASE}))
    rules = Rules(router.needs, agreeing.vocabularies, {}, 48, switch_everywhere=True)
    made = Decoding(
        agreeing.lanes(contexts),
        router.start(generation(agreeing)),
        Picker(PlainSampler(0.0), GumbelNoise(0)),
        rules,
    )
    steps = write(agreeing, made, schedule="patient")
    assert made.draft.accepted >= made.draft.drafted - made.draft.limit > 0
    assert made.lanes[BASE].forwards < len(steps) / 2
    assert made.lanes[ALIGNED].forwards <= len(steps) + 1


def test_two_views_read_in_one_pass() -> None:
    passes: list[int] = []

    class Counting(FakeModel):
        def extend_many(
            self, sequences: Sequence[object], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
        ) -> list[Rows]:
            passes.append(len(sequences))
            return super().extend_many(sequences, token_ids, rows)  # type: ignore[arg-type]

    world = World()
    world.models = dict.fromkeys(Source, Counting(1, SHARED.size, favour=range(256, SHARED.size)))
    steps = write(world, text(world, ScriptedRouter((BASE, ALIGNED), BOTH), 3), schedule="speculative")
    assert passes == [2] * len(passes)
    assert len(passes) <= len(steps) + 1


def test_a_failing_model_fails_the_run_and_leaves_no_thread_waiting() -> None:
    class Failing(FakeSequence):
        def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
            raise ModelError("broken")

    class Broken(FakeModel):
        def open(self) -> FakeSequence:
            return Failing(self)

    world = World()
    world.models = {**world.models, BASE: Broken(1, SHARED.size)}
    scheduler = Scheduler(list(world.models.values()), SCHEDULES["speculative"], Threads())
    scheduler.add(text(world, ScriptedRouter((BASE, ALIGNED), BOTH), 3))
    with pytest.raises(ModelError, match="broken"):
        scheduler.run()  # the first rows that anything could be written from never come
    scheduler.close()
    assert not scheduler.busy


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), min_size=1, max_size=8))
def test_a_kept_context_gives_the_row_that_reading_it_anew_gives(contexts: list[list[int]]) -> None:
    model = FakeModel(1, SHARED.size)
    cache = PrefixCache(3)
    for context in contexts:
        prefix = cache.prefix(model, context, 4, BASE)
        reading = prefix.reading()
        assert reading is not None
        reading.take(reading.sequence.extend(reading.token_ids, reading.rows))
        forked = prefix.fork()
        assert forked is not None
        sequence, row, passes = forked
        assert sequence.length == len(context)
        assert passes == 1
        assert (row == model.row(context)).all()


def test_the_same_prompt_again_reads_one_token_and_an_inexact_model_reads_all_of_it() -> None:
    for exact, again in ((True, 1), (False, 30)):
        model = FakeModel(1, SHARED.size, exact=exact)
        cache = PrefixCache(4)
        read = []
        for _ in range(2):
            reading = cache.prefix(model, list(range(30)), 4, BASE).reading()
            assert reading is not None
            read.append(len(reading.token_ids))
            reading.take(reading.sequence.extend(reading.token_ids, reading.rows))
        assert read == [30, again]


def test_nothing_is_kept_where_nothing_should_be() -> None:
    model = FakeModel(1, SHARED.size)
    cache = PrefixCache(0)
    first = cache.prefix(model, list(range(30)), 4, BASE)
    reading = first.reading()
    assert reading is not None
    reading.take(reading.sequence.extend(reading.token_ids, 1))
    second = cache.prefix(model, list(range(30)), 4, BASE).reading()
    assert isinstance(first, Prefix)
    assert second is not None
    assert len(second.token_ids) == 30


@pytest.mark.parametrize(("speakers", "reads"), [(BOTH, True), (frozenset({ALIGNED}), False)])
def test_two_views_read_along_unless_one_never_speaks(speakers: frozenset[Source], reads: bool) -> None:
    """To catch up later would cost them a pass a token; for a model that is never chosen nobody reads."""
    world, router = shared_world(), ScriptedRouter((ALIGNED,), needs=frozenset())
    rules = Rules(router.needs, world.vocabularies, {}, 24, speakers=speakers)
    decoding = Decoding(
        world.lanes(length=24),
        router.start(generation(world, 1, 0)),
        Picker(PlainSampler(), GumbelNoise(1)),
        rules,
    )
    write(world, decoding, schedule="speculative")
    passes = {source: lane.forwards for source, lane in decoding.lanes.items()}
    assert passes[ALIGNED] > 5
    assert passes[BASE] == (passes[ALIGNED] if reads else 0)
