"""A desk takes requests from any thread, writes them fairly, and ends each with exactly one last word."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import pytest
from desk_world import ALIGNED, BASE, PATIENCE, Ear, World, alone, asked, config, said

from baco_core.errors import ConfigError, ContextError, LookUpError, ModelError, PluginError, PromptError
from baco_core.events import TokenEvent
from baco_core.hookspecs import hookimpl
from baco_core.lane import CHUNK
from baco_core.plugins import load_plugins
from baco_core.prompts import Message
from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_server.desk import (
    Ask,
    ClosingError,
    Desk,
    DeskLimits,
    Failed,
    Finished,
    QueueFullError,
    Told,
)

LONG = "a cat sat in the light house " * 40
"""A prompt of several chunks: it is read byte by byte."""


def test_a_request_is_told_event_by_event_then_sample_then_its_end() -> None:
    world, ask = World(), Ask("A cat", config("decode.n=3"))
    with world.desk() as desk:
        job = desk.submit(ask, ear := Ear())
        assert ear.wait() == Finished("done")
    assert said(ear.samples) == said(alone(world, ask))
    for sample in ear.samples:
        assert tuple(ear.events[sample.index]) == sample.tokens
    assert job.prompt_tokens == ear.samples[0].usage.prompt_tokens


def test_a_conversation_is_written_on() -> None:
    turns = [Message("user", "A cat"), Message("assistant", "No."), Message("user", "A dog")]
    world, ask = World(), Ask(turns, config())
    with world.desk() as desk:
        desk.submit(ask, ear := Ear())
        ear.wait()
    assert said(ear.samples) == said(alone(world, ask))


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["router={use: p-pnuc}"], LookUpError),
        (["router={use: p, options: {gama: 1}}"], ConfigError),
        (["decode.max_new_tokens=4096"], ContextError),
    ],
)
def test_what_is_wrong_with_a_request_is_said_at_once(overrides: list[str], error: type[Exception]) -> None:
    world = World(limit=1000)
    with world.desk() as desk:
        with pytest.raises(error):
            asked(desk, "A cat", *overrides)
        with pytest.raises(PromptError, match="empty"):
            asked(desk, " ")
        assert asked(desk, "A dog").wait() == Finished("done")
    assert sum(model.forwards for model in world.models.values()) < 100


def test_a_queue_that_is_full_refuses_and_says_when_to_come_back() -> None:
    world = World()
    for model in world.models.values():
        model.gate = threading.Semaphore(0)
    with world.desk(texts=1, requests=3) as desk:
        first = asked(desk, "A cat")
        until(lambda: desk.figures().requests_in_hand == 1)
        ears = [asked(desk, "A dog") for _ in range(3)]
        with pytest.raises(QueueFullError, match="3 requests wait") as refused:
            asked(desk, "A boat")
        assert 1 <= refused.value.retry_after <= 60
        assert desk.figures().queued == 3
        for model in world.models.values():
            assert model.gate is not None
            model.gate.release(1000)
        assert [ear.wait() for ear in (first, *ears)] == [Finished("done")] * 4
        assert desk.figures().requests == {"done": 4, "refused": 1}


def test_a_request_of_a_hundred_texts_does_not_hold_up_a_short_one() -> None:
    world = World()
    with world.desk(texts=4) as desk:
        long = asked(desk, "A cat", "decode.n=100", "decode.max_new_tokens=20", "router={use: base}")
        until(lambda: len(long.told) > 10)
        short = asked(desk, "A dog", "decode.max_new_tokens=4")
        assert short.wait() == Finished("done")
        assert len(long.samples) < 50
        assert long.wait() == Finished("done")
    assert [sample.index for sample in long.samples] == list(range(100))


def test_cancelling_ends_a_prompt_within_one_chunk_and_what_was_read_is_kept() -> None:
    world = World("views")
    (model,) = {id(one): one for one in world.models.values()}.values()
    gate = model.gate = threading.Semaphore(0)
    with world.desk(context_tokens=8192) as desk:
        ask = Ask(LONG, config("router={use: aligned}", "prompts.base=plain", "prompts.aligned=plain"))
        job = desk.submit(ask, ear := Ear())
        gate.release(2)
        until(lambda: len(model.contexts) == 2)
        job.cancel()
        gate.release(1)  # the chunk that is under way
        assert ear.wait() == Finished("cancelled")
        assert len(model.contexts) <= 3
        assert [size for _, size in model.contexts] == [CHUNK] * len(model.contexts)
        assert len(ear.told) == 1
        gate.release(1000)
        again = desk.submit(ask, heard := Ear())
        assert heard.wait() == Finished("done")
        assert again.cached_tokens >= CHUNK
        assert said(heard.samples) == said(alone(world, ask))
        assert desk.figures().prompt_tokens_reused >= CHUNK


def test_texts_go_on_between_the_chunks_of_a_long_prompt() -> None:
    world = World()
    with world.desk() as desk:
        ear = asked(desk, "A cat", "decode.max_new_tokens=400", "decode.end=aligned", "router={use: base}")
        until(lambda: len(ear.told) > 3)
        gate = world.models[BASE].gate = threading.Semaphore(0)  # whose chunks come first is then certain
        late = asked(desk, LONG)
        for _ in range(3):
            before = len(ear.told)
            gate.release(1)
            until(lambda before=before: len(ear.told) > before)  # type: ignore[misc]
        assert not late.told
        gate.release(1000)
        assert (ear.wait(), late.wait()) == (Finished("done"), Finished("done"))


def test_requests_that_begin_alike_read_what_they_share_once() -> None:
    world = World()
    with world.desk(context_tokens=8192) as desk:
        ears = [Ear(), Ear()]
        jobs = [desk.submit(Ask(LONG + str(which), config()), ear) for which, ear in enumerate(ears)]
        assert [ear.wait() for ear in ears] == [Finished("done")] * 2
    assert jobs[0].cached_tokens == 0
    assert jobs[1].cached_tokens > len(LONG) - 2 * CHUNK  # they came at the same time


def test_a_deadline_ends_texts_with_what_is_there() -> None:
    world = World(limit=100_000)
    endless = ("decode.max_new_tokens=50000", "decode.end=aligned", "router={use: base}", "decode.n=3")
    with world.desk(texts=2) as desk:
        desk.submit(Ask("A cat", config(*endless), deadline=0.5), ear := Ear())
        assert ear.wait() == Finished("deadline")
    assert [(one.index, one.finish_reason) for one in ear.samples] == [(i, "length") for i in range(3)]
    assert ear.samples[0].text
    assert not ear.samples[2].text
    length = max(len(one.tokens) for one in ear.samples)
    whole = alone(world, Ask("A cat", config(*endless, f"decode.max_new_tokens={length}")))
    for cut, full in zip(ear.samples, whole, strict=True):
        tokens = [event.token_id for event in full.tokens[: len(cut.tokens)]]
        assert [event.token_id for event in cut.tokens] == tokens


def test_a_deadline_that_is_over_tells_empty_texts_and_runs_nothing() -> None:
    world = World()
    with world.desk() as desk:
        desk.submit(Ask("A cat", config("decode.n=2"), deadline=0.0), ear := Ear())
        assert ear.wait() == Finished("deadline")
    assert [(one.index, one.text, one.finish_reason) for one in ear.samples] == [
        (0, "", "length"),
        (1, "", "length"),
    ]
    assert world.models[BASE].forwards == 0


@dataclass(frozen=True)
class Breaks:
    """A router that raises at the third token, or when it starts."""

    at: int = 2
    needs: frozenset[Source] = frozenset()

    def start(self, generation: Generation) -> Decider:
        if self.at < 0:
            raise ValueError("no start")
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        if point.position >= self.at:
            raise ValueError("no idea")
        return Decision(BASE)


class BrokenPlugin:
    """Registers the router, and an observer that dislikes one prompt's texts."""

    dislikes: type[BaseException] | None = None

    @hookimpl
    def register_routers(self, register: object) -> None:
        register("breaks", Breaks)  # type: ignore[operator]

    @hookimpl
    def on_token(self, event: TokenEvent) -> None:
        if self.dislikes is not None and event.sample == 1:
            raise self.dislikes("dislikes it")


def with_plugin(world: World, plugin: object) -> World:
    world.pipeline = replace(world.pipeline, plugins=load_plugins((), given={"broken": plugin}))
    return world


@pytest.mark.parametrize(("at", "told"), [(2, "at position 2: ValueError: no idea"), (-1, "no start")])
def test_a_router_that_raises_fails_its_own_request_only(at: int, told: str) -> None:
    world = with_plugin(World(), BrokenPlugin())
    with world.desk() as desk:
        good = Ask("A cat", config("decode.n=4", "decode.max_new_tokens=40"))
        desk.submit(good, ear := Ear())
        use = f"router={{use: breaks, options: {{at: {at}}}}}"
        broken = asked(desk, "A cat", use, "decode.switch_at=token", "decode.n=3")
        last = broken.wait()
        assert isinstance(last, Failed)
        assert isinstance(last.error, PluginError)
        assert told in str(last.error)
        assert ear.wait() == Finished("done")
        assert asked(desk, "A dog").wait() == Finished("done")
        assert desk.figures().requests == {"done": 2, "failed": 1}
    assert said(ear.samples) == said(alone(world, good))


@pytest.mark.parametrize("dislikes", [ValueError, SystemExit])
def test_an_observer_that_raises_fails_the_request_it_was_shown(dislikes: type[BaseException]) -> None:
    plugin = BrokenPlugin()
    plugin.dislikes = dislikes
    world = with_plugin(World(), plugin)
    with world.desk() as desk:
        one, two = asked(desk, "A cat"), asked(desk, "A cat", "decode.n=2")
        assert one.wait() == Finished("done")
        assert isinstance(failed := two.wait(), Failed)
        assert isinstance(failed.error, PluginError)


@pytest.mark.parametrize("kind", ["tokens", "views"])
def test_a_model_that_raises_fails_the_requests_of_that_pass_and_the_desk_goes_on(kind: str) -> None:
    world = World(kind)  # type: ignore[arg-type]
    for model in world.models.values():
        model.fault = lambda history: ModelError("broken") if ord("!") in history[:60] else None
    with world.desk() as desk:
        good = Ask("A cat", config("decode.n=4"))
        desk.submit(good, ear := Ear())
        broken = asked(desk, "A cat!", "decode.n=2")
        assert isinstance(last := broken.wait(), Failed)
        assert str(last.error) == "broken"
        assert ear.wait() == Finished("done")
        assert asked(desk, "A dog").wait() == Finished("done")
    assert said(ear.samples) == said(alone(world, good))


def test_a_listener_that_raises_cancels_its_request() -> None:
    def leaves(item: Told) -> None:
        if not isinstance(item, Finished):
            raise RuntimeError("the loop is closed")

    world = World()
    with world.desk() as desk:
        gone, good = Ear(leaves), Ear()
        desk.submit(Ask("A cat", config("decode.n=5")), gone)
        desk.submit(Ask("A cat", config()), good)
        assert gone.wait() == Finished("cancelled")
        assert good.wait() == Finished("done")
    assert len(gone.told) == 2


def test_closing_finishes_what_is_in_hand_and_refuses_the_rest() -> None:
    world = World()
    with world.desk() as desk:
        ears = [asked(desk, "A cat", "decode.n=3") for _ in range(4)]
        desk.close(PATIENCE)
        assert [ear.wait() for ear in ears] == [Finished("done")] * 4
        with pytest.raises(ClosingError):
            asked(desk, "A dog")
        assert not desk.figures().alive


def test_closing_in_a_hurry_tells_what_was_begun_as_it_stands() -> None:
    world = World(limit=100_000)
    with world.desk(texts=1) as desk:
        begun = asked(
            desk, "A cat", "decode.max_new_tokens=50000", "decode.end=aligned", "router={use: base}"
        )
        waits = asked(desk, "A dog")
        until(lambda: len(begun.told) > 5)
        until(lambda: len(waits.told) > 0 or desk.figures().queued == 1)
        desk.close(0.0)
        assert begun.wait() == Finished("closed")
        assert isinstance(last := waits.wait(), Failed)
        assert isinstance(last.error, ClosingError)
    (sample,) = begun.samples
    assert sample.finish_reason == "length"
    assert sample.text.startswith("".join(event.text for event in begun.events[0]))


def test_a_desk_that_never_began_can_be_closed() -> None:
    desk = Desk(World().pipeline, DeskLimits())
    ear = asked(desk, "A cat")
    assert not desk.figures().alive
    desk.close(1.0)
    assert isinstance(ear.wait(), Failed)


def test_a_desk_that_breaks_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from baco_core.errors import InternalError
    from baco_server.desk_shift import Shift

    def broken(self: Shift) -> None:
        raise RuntimeError("our own fault")

    monkeypatch.setattr(Shift, "turn", broken)
    with World().desk() as desk:
        assert isinstance(last := asked(desk, "A cat").wait(), Failed)
        assert isinstance(last.error, InternalError)
        with pytest.raises(InternalError, match="our own fault"):
            asked(desk, "A cat")
        assert not desk.figures().alive


def test_after_everything_has_ended_nothing_is_held() -> None:
    world = World()
    with world.desk(context_tokens=0) as desk:
        ears = [asked(desk, "A cat", "decode.n=9") for _ in range(3)]
        for ear in ears:
            ear.wait()
        until(lambda: world.living == 0)
        figures = desk.figures()
        assert (figures.queued, figures.requests_in_hand, figures.texts, figures.paused) == (0, 0, 0, 0)
        assert figures.first_token.counts != figures.token.counts
        assert sum(figures.tokens.values()) == sum(len(one.tokens) for ear in ears for one in ear.samples)


@dataclass(frozen=True)
class Asks:
    """A router that asks somebody far away, who answers when he likes."""

    blocking = True
    needs = frozenset({BASE})
    answers: ClassVar[threading.Event]

    def start(self, generation: Generation) -> Asks:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        assert self.answers.wait(PATIENCE)
        return Decision(ALIGNED if point.position % 2 else BASE)


class AskingPlugin:
    """Registers it."""

    @hookimpl
    def register_routers(self, register: object) -> None:
        register("asks", Asks)  # type: ignore[operator]


def test_a_router_that_waits_for_an_answer_holds_up_nobody_else() -> None:
    Asks.answers = threading.Event()
    world = with_plugin(World(), AskingPlugin())
    with world.desk(texts=3) as desk:
        slow = asked(desk, "A cat", "router={use: asks}", "decode.n=2")
        leaving = Ear()
        job = desk.submit(Ask("A cat", config("router={use: asks}")), leaving)
        quick = [asked(desk, "A dog", f"decode.seed={seed}") for seed in range(3)]
        assert [ear.wait() for ear in quick] == [Finished("done")] * 3
        job.cancel()
        assert leaving.wait() == Finished("cancelled")
        assert not slow.told
        Asks.answers.set()
        assert slow.wait() == Finished("done")
        assert len(slow.samples) == 2
    ask = Ask("A cat", config("router={use: asks}", "decode.n=2", "decode.schedule=plain"))
    assert said(slow.samples) == said(world.pipeline.using(ask.config).generate(ask.prompt))


def test_an_idle_desk_gives_memory_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baco_server.desk.IDLE", 0.05)
    world, released = World(), list[str]()
    for source, model in world.models.items():
        model.release = partial(released.append, source.value)  # type: ignore[attr-defined]
    with world.desk() as desk:
        assert asked(desk, "A cat").wait() == Finished("done")
        until(lambda: len(released) == 2)
        time.sleep(0.2)
        assert sorted(released) == ["aligned", "base"]
        assert asked(desk, "A dog").wait() == Finished("done")
        until(lambda: len(released) == 4)


def test_figures_count_passes_of_each_model_and_tokens_of_the_prompt() -> None:
    world = World()
    with world.desk(context_tokens=8192) as desk:
        for _ in range(2):
            asked(desk, "A cat", "router={use: rand}").wait()
        figures = desk.figures()
        assert figures.alive
        assert figures.passes == {source.value: world.models[source].forwards for source in Source}
        assert figures.prompt_tokens_reused > figures.prompt_tokens_read / 2 > 0
        assert sum(figures.first_token.counts) == 2


def until(met: object) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while not met():  # type: ignore[operator]
        assert time.monotonic() < end, "that never came"
        time.sleep(0.002)
