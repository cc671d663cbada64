"""A router that waits for something outside holds up its own text only, and changes none."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core import aside
from baco_core.decode import Rules
from baco_core.decoding import Decoding
from baco_core.engine import Engine, Inline, Threads
from baco_core.model import TokenSequence
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.router import Decision, DecisionPoint
from baco_core.rows import Logits, Rows
from baco_core.sampler import Sampler
from baco_core.scheduler import Reader, Scheduler
from baco_core.schedules import SCHEDULES
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, FakeSequence, PlainSampler, ScriptedRouter
from tests.core.test_scheduler import BOTH, ENGINES, text, worlds
from tests.core.worlds import ALIGNED, BASE, SHARED, World, generation, run, scripts, seeds, told, write

PATIENCE = 10.0


@dataclass
class Gate:
    """A decider that answers as another one does, once it is let."""

    inner: object
    opened: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def decide(self, point: DecisionPoint) -> Decision | None:
        self.asked.set()
        assert self.opened.wait(PATIENCE)
        return self.inner.decide(point)  # type: ignore[attr-defined, no-any-return]


def blocking(
    world: World, router: ScriptedRouter, seed: int, sampler: Sampler | None = None
) -> tuple[Decoding, Gate]:
    rules = Rules(router.needs, world.vocabularies, {}, 24, lead=world.lead, blocking=True)
    gate = Gate(router.start(generation(world, seed, 0)))
    picker = Picker(sampler or PlainSampler(), GumbelNoise(seed))
    return Decoding(world.lanes(), gate, picker, rules), gate


@settings(max_examples=30)
@given(
    st.lists(scripts, min_size=1, max_size=4),
    seeds,
    st.sampled_from(["tokens", "text", "views"]),
    st.sampled_from(sorted(SCHEDULES)),
    st.sampled_from(ENGINES),
    st.sampled_from([frozenset(), frozenset({BASE}), BOTH]),
)
def test_texts_say_the_same_whether_their_routers_block_or_not(
    some: Sequence[tuple[Source, ...]],
    seed: int,
    kind: str,
    schedule: str,
    engine: Callable[[], Engine],
    needs: frozenset[Source],
) -> None:
    world = worlds(kind)
    routers = [ScriptedRouter(script, needs) for script in some]
    made = [blocking(world, router, seed) for router in routers]
    for _, gate in made:
        gate.opened.set()
    steps = write(world, *(decoding for decoding, _ in made), schedule=schedule, engine=engine())
    expected = [step for router in routers for step in run(world, router, seed=seed, schedule="plain")]
    assert sorted(map(repr, told(steps))) == sorted(map(repr, told(expected)))


@pytest.mark.parametrize("engine", [Inline, Threads])
def test_others_go_on_while_one_decides(engine: Callable[[], Engine]) -> None:
    world, router = World(), ScriptedRouter((BASE, ALIGNED), BOTH)
    slow, gate = blocking(world, router, 1)
    quick = text(world, router, 2)
    scheduler = Scheduler(list(world.models.values()), SCHEDULES["lazy"], engine())
    scheduler.add(slow)
    scheduler.add(quick)
    while not quick.ended:
        assert all(reader is quick for reader, _ in scheduler.turn())
    assert gate.asked.is_set()
    assert not slow.ended
    gate.opened.set()
    steps = []
    while scheduler.busy:
        steps += [step for _, step in scheduler.turn()]
    scheduler.close()
    assert told(steps) == told(run(world, router, seed=1, schedule="plain"))


class SlowSampler(PlainSampler):
    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        time.sleep(0.002)
        return super().filter(logits, history)


class Later(FakeSequence):
    """Takes longer to read than a pick takes."""

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        time.sleep(0.02)
        return super().extend(token_ids, rows)

    def fork(self, n: int) -> list[TokenSequence]:
        return [Later(self.model, list(self.history)) for _ in range(n)]


class LateModel(FakeModel):
    def open(self) -> FakeSequence:
        return Later(self)


def test_a_row_may_come_after_the_thread_has_looked_for_it() -> None:
    world, router = World(), ScriptedRouter((BASE, ALIGNED), BOTH)
    late = LateModel(2, SHARED.size, favour=range(256, SHARED.size))
    world.models = {**world.models, ALIGNED: late}
    alone, gate = blocking(world, router, 1, SlowSampler())
    gate.opened.set()
    steps = write(world, alone, schedule="plain", engine=Threads())
    assert told(steps) == told(run(world, router, seed=1, schedule="plain"))


def test_a_text_may_be_dropped_while_it_decides() -> None:
    world = World()
    slow, gate = blocking(world, ScriptedRouter((BASE,), BOTH), 1)
    scheduler = Scheduler(list(world.models.values()), SCHEDULES["lazy"], Inline(together=True))
    scheduler.add(slow)
    while not gate.asked.is_set():
        scheduler.turn()
    deciding = slow.deciding
    scheduler.drop(slow)
    assert slow.ended
    assert not scheduler.busy
    gate.opened.set()
    assert deciding is not None
    deciding.result(PATIENCE)
    assert slow.advance() == []


def test_what_was_read_for_a_dropped_text_goes_once_its_router_has_answered() -> None:
    world = World()
    slow, gate = blocking(world, ScriptedRouter((BASE,), frozenset()), 1)
    assert slow.advance() == []
    assert gate.asked.wait(PATIENCE)
    slow.close()
    held = weakref.ref(slow)
    del slow
    gc.disable()
    try:
        gate.opened.set()
        end = time.monotonic() + PATIENCE
        while held() is not None and time.monotonic() < end:
            time.sleep(0.001)
        assert held() is None
    finally:
        gc.enable()


def test_an_interrupt_while_a_thread_begins_lets_the_text_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            raise KeyboardInterrupt

    monkeypatch.setattr(aside, "Thread", Interrupted)
    world = World()
    slow, gate = blocking(world, ScriptedRouter((BASE,), frozenset()), 1)
    scheduler = Scheduler(list(world.models.values()), SCHEDULES["lazy"], Inline(together=True))
    scheduler.add(slow)
    with pytest.raises(KeyboardInterrupt):
        scheduler.turn()
    assert gate.asked.wait(PATIENCE)
    deciding = slow.deciding
    scheduler.close()
    assert slow.ended
    gate.opened.set()
    assert deciding is not None
    deciding.result(PATIENCE)


def test_what_a_blocking_router_raises_is_its_own_text_s() -> None:
    class Broken:
        def decide(self, point: DecisionPoint) -> Decision | None:
            raise OSError("nobody answers")

    world, router = World(), ScriptedRouter((BASE, ALIGNED), BOTH)
    slow, _ = blocking(world, router, 1)
    broken = Decoding(
        world.lanes(),
        Broken(),
        Picker(PlainSampler(), GumbelNoise(1)),
        slow._rules,
    )
    lost: list[tuple[Reader, Exception]] = []
    scheduler = Scheduler(
        list(world.models.values()),
        SCHEDULES["lazy"],
        Inline(together=True),
        lambda reader, error: lost.append((reader, error)),
    )
    good = text(world, router, 2)
    scheduler.add(broken)
    scheduler.add(good)
    while scheduler.busy:
        scheduler.turn()
    ((reader, error),) = lost
    assert reader is broken
    assert str(error) == "nobody answers"
    assert good.ended
