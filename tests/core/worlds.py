"""Fake pairs to decode with, and how to write with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from baco_core.decode import Rules, Step
from baco_core.decoding import Decoding
from baco_core.engine import Engine, Inline
from baco_core.exchange import Retokenised, SharedTokens
from baco_core.lane import Lane, Prefix
from baco_core.noise import GumbelNoise, UniformStream
from baco_core.pick import Picker
from baco_core.router import Generation, Router
from baco_core.rows import Logits
from baco_core.scheduler import Scheduler
from baco_core.schedules import SCHEDULES
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, FakeTokenizer, PlainSampler, fake_vocabulary

BASE, ALIGNED = Source.BASE, Source.ALIGNED
SHARED = fake_vocabulary()
OTHER = fake_vocabulary((" the", "n a", " c", "at", " sat", " ligh", "thou", "se", "ho", "us", "ing", " use"))
CONTEXTS: Mapping[Source, tuple[int, ...]] = {BASE: (65, 66), ALIGNED: (67, 68, 69)}

scripts = st.lists(st.sampled_from(list(Source)), min_size=1, max_size=12).map(tuple)
seeds = st.integers(0, 2**64 - 1)


@dataclass
class World:
    """A fake pair; words are favoured over single bytes, so that boundaries come often but not always."""

    shared: bool = True
    same_model: bool = False
    limit: int | None = None
    lead: bytes = b""

    def __post_init__(self) -> None:
        self.vocabularies = {BASE: SHARED, ALIGNED: SHARED if self.shared else OTHER}
        self.models = {
            source: FakeModel(
                seed=1 if self.same_model or source is BASE else 2,
                vocab_size=vocabulary.size,
                context_limit=self.limit,
                favour=range(256, vocabulary.size),
            )
            for source, vocabulary in self.vocabularies.items()
        }

    def encode(self, source: Source) -> Callable[[bytes], list[int]]:
        return FakeTokenizer(self.vocabularies[source]).encode_text

    def lead_of(self, source: Source) -> bytes:
        return self.lead if source is BASE else b""

    def lanes(
        self, contexts: Mapping[Source, Sequence[int]] = CONTEXTS, length: int = 1
    ) -> dict[Source, Lane]:
        return {
            source: Lane(
                Prefix(model, contexts[source], length, source),
                self.transcript(source),
            )
            for source, model in self.models.items()
        }

    def transcript(self, source: Source) -> SharedTokens | Retokenised:
        if self.shared:
            return SharedTokens(self.encode(source), self.lead_of(source), SHARED.pieces)
        return Retokenised(self.encode(source), self.lead_of(source))


def no_consult(source: Source, question: str, answers: Sequence[str]) -> list[float]:
    raise AssertionError("nobody asked for a judge")


def generation(world: World, seed: int = 0, sample: int = 0) -> Generation:
    return Generation("", world.vocabularies, UniformStream(seed, sample), no_consult)


def run(
    world: World,
    router: Router,
    *,
    length: int = 24,
    seed: int = 0,
    sample: int = 0,
    temperature: float = 1.0,
    schedule: str = "lazy",
    everywhere: bool = False,
    lanes: dict[Source, Lane] | None = None,
) -> list[Step]:
    rules = Rules(
        needs=router.needs,
        vocabularies=world.vocabularies,
        banned={},
        max_new_tokens=length,
        switch_everywhere=everywhere,
        lead=world.lead,
    )
    picker = Picker(PlainSampler(temperature), GumbelNoise(seed, sample))
    decider = router.start(generation(world, seed, sample))
    return write(world, Decoding(lanes or world.lanes(), decider, picker, rules), schedule=schedule)


def write(
    world: World, *decodings: Decoding, schedule: str = "lazy", engine: Engine | None = None
) -> list[Step]:
    """Return the steps of all texts in the order they were written."""
    scheduler = Scheduler(
        list(world.models.values()), SCHEDULES[schedule], engine or Inline(together=schedule != "plain")
    )
    for decoding in decodings:
        scheduler.add(decoding)
    steps: list[Step] = []
    while scheduler.busy:
        steps += [step for _, step in scheduler.run()]
    scheduler.close()
    return steps


def told(steps: Sequence[Step]) -> list[tuple[int, Source]]:
    return [(step.token_id, step.source) for step in steps]


def read(lane: Lane) -> Logits:
    """Read what a lane has not read yet, and return its row."""
    while reading := lane.reading(lane.transcript.tokens()):
        reading.take(reading.sequence.extend(reading.token_ids, reading.rows))
    return lane.row()
