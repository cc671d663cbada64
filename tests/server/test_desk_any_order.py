"""Whatever comes when, in whatever mixture, and whoever leaves: each text is what it is alone."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass, field

from desk_world import Ear, World, alone, config, said
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from baco_core.source import Source
from baco_server.desk import Ask, Failed, Finished, Job, Told

SHARED = "a cat sat in the light house and " * 8
PROMPTS = ("A cat", SHARED + "slept", SHARED + "ate the then cat", SHARED[:140], "é 🙂", SHARED * 2)
ROUTERS = ("base", "aligned", "rand", "p", "h", "p-punc", "nudging")


@dataclass(frozen=True)
class Wish:
    """A request of the test, and when whoever asked leaves."""

    prompt: str
    overrides: tuple[str, ...]
    top: int
    deadline: float | None
    score: int | None
    leaves_after: int | None
    """How many items are told before it is cancelled; 0: at once."""


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    overrides = (
        f"router={{use: {draw(st.sampled_from(ROUTERS))}}}",
        f"decode.schedule={draw(st.sampled_from(('auto', 'plain', 'lazy', 'speculative')))}",
        f"decode.n={draw(st.integers(1, 4))}",
        f"decode.seed={draw(st.integers(0, 3))}",
        f"decode.max_new_tokens={draw(st.integers(1, 14))}",
        f"decode.stop={draw(st.sampled_from(('[]', '[t]', '[cat, house]')))}",
        f"sampler={{use: multinomial, options: {{temperature: {draw(st.sampled_from((0.0, 1.0)))}}}}}",
    )
    return Wish(
        draw(st.sampled_from(PROMPTS)),
        overrides,
        draw(st.sampled_from((0, 0, 2))),
        draw(st.sampled_from((None, None, None, 0.0, 0.01, 0.05))),
        draw(st.sampled_from((None, None, None, 0, 2))),
        draw(st.sampled_from((None, None, None, 0, 1, 3, 9))),
    )


@dataclass
class Guest:
    """One who asks, listens, and may leave."""

    wish: Wish
    ear: Ear = field(init=False)
    job: Job | None = None
    asked: threading.Event = field(default_factory=threading.Event)
    heard: int = 0

    def __post_init__(self) -> None:
        self.ear = Ear(self._hears)

    def _hears(self, item: Told) -> None:
        self.heard += 1
        if self.heard == self.wish.leaves_after:
            self.asked.wait()
            assert self.job is not None
            self.job.cancel()

    @property
    def ask(self) -> Ask:
        wish = self.wish
        made = config(*wish.overrides)
        return Ask(wish.prompt, made, top=wish.top, deadline=wish.deadline, score=wish.score)


@settings(max_examples=15, phases=(Phase.explicit, Phase.generate))  # threads: too slow to shrink
@given(
    st.lists(wishes(), min_size=1, max_size=7),
    st.sampled_from(("tokens", "text", "views")),
    st.integers(1, 4),
    st.sampled_from((0, 1, 64, 8192)),
    st.data(),
)
def test_each_text_is_what_the_pipeline_writes_alone(
    some: list[Wish], kind: str, places: int, kept: int, data: st.DataObject
) -> None:
    world = World(kind)  # type: ignore[arg-type]
    guests = [Guest(wish) for wish in some]
    with world.desk(texts=places, context_tokens=kept) as desk:
        for guest in guests:
            guest.job = desk.submit(guest.ask, guest.ear)
            guest.asked.set()
            if guest.wish.leaves_after == 0:
                guest.job.cancel()
            if data.draw(st.booleans(), "wait for its end"):
                guest.ear.wait()
        for guest in guests:
            check(world, guest)
        assert desk.figures().texts == desk.figures().paused == 0
        assert sum(desk.figures().requests.values()) == len(guests)
    gc.collect()
    assert world.living == 0


def check(world: World, guest: Guest) -> None:
    """Compare what was told with what is written alone."""
    last, wish = guest.ear.wait(), guest.wish
    assert not isinstance(last, Failed), last
    whole = alone(world, guest.ask)
    if last == Finished("done"):
        assert said(guest.ear.samples) == said(whole)
    else:
        assert wish.leaves_after is not None or wish.deadline is not None
    for index, events in guest.ear.events.items():
        tokens = [(event.token_id, event.source, event.text) for event in whole[index].tokens]
        assert [(event.token_id, event.source, event.text) for event in events] == tokens[: len(events)]
        assert all(len(event.top) == (2 if wish.top else 0) for event in events)
    for sample in guest.ear.samples:
        assert len(guest.ear.events.get(sample.index, [])) == len(sample.tokens)


def test_a_hundred_threads_ask_at_once_and_nothing_is_lost() -> None:
    world = World()
    asks = [Ask(PROMPTS[at % 3], config(f"decode.seed={at}", "decode.n=2")) for at in range(60)]
    ears = [Ear() for _ in asks]
    with world.desk(texts=8, context_tokens=4096) as desk:
        threads = [threading.Thread(target=desk.submit, args=pair) for pair in zip(asks, ears, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [ear.wait() for ear in ears] == [Finished("done")] * len(ears)
    for ask, ear in zip(asks, ears, strict=True):
        assert said(ear.samples) == said(alone(world, ask))
    assert Source.BASE in {event.source for ear in ears for event in ear.samples[0].tokens}
