"""Pairs of fake models to serve, which count what lives and can be held up or broken; and ears."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal
from weakref import WeakSet

import made_bundle

from baco_core.config import Config, load_config
from baco_core.events import Sample, TokenEvent
from baco_core.model import TokenSequence
from baco_core.opening import open_pair
from baco_core.pair import Exchange, Member, Pair
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_core.rows import Rows
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, FakeSequence
from baco_server.desk import Ask, Desk, DeskLimits, Failed, Finished, Told

BASE, ALIGNED = Source.BASE, Source.ALIGNED
Kind = Literal["tokens", "text", "views"]
PATIENCE = 60.0
"""Seconds that a test waits before it fails."""


@dataclass
class WatchedModel(FakeModel):
    """Counts the sequences that live, notes what was read at once, waits at `gate`, raises at `fault`."""

    living: WeakSet[FakeSequence] = field(default_factory=WeakSet)
    contexts: list[tuple[int, int]] = field(default_factory=list)
    """First position and length of every chunk of a context that was read."""
    gate: threading.Semaphore | None = None
    """Where each chunk of a context waits for a permit."""
    fault: Callable[[Sequence[int]], Exception | None] = lambda history: None
    """What is raised when a history has been read."""

    def open(self) -> FakeSequence:
        return WatchedSequence(self)


class WatchedSequence(FakeSequence):
    """A history of a watched model."""

    model: WatchedModel

    def __init__(self, model: WatchedModel, history: Sequence[int] = ()) -> None:
        super().__init__(model, list(history))
        model.living.add(self)

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def prefill(self, token_ids: Sequence[int]) -> Rows:
        if self.model.gate is not None:
            assert self.model.gate.acquire(timeout=PATIENCE), "nobody let this chunk pass"
        self.model.contexts.append((self.length, len(token_ids)))
        return super().prefill(token_ids)

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        if error := self.model.fault([*self.history, *token_ids]):
            raise error
        return super().extend(token_ids, rows)

    def fork(self, n: int) -> list[TokenSequence]:
        return [WatchedSequence(self.model, self.history) for _ in range(n)]


@cache
def plugins() -> Plugins:
    return load_plugins(())


@cache
def bundle() -> Path:
    folder = Path(mkdtemp(prefix="baco-desk-")) / "bundle"
    made_bundle.write_bundle(folder)
    return folder


def config(*overrides: str) -> Config:
    return load_config(None, [f"pair.bundle={bundle()}", "decode.max_new_tokens=12", *overrides])


class _Fakes:
    def load(self, files: object) -> FakeModel:
        return FakeModel(1, made_bundle.VOCAB_SIZE)


@cache
def _members() -> dict[Source, Member]:
    return dict(open_pair(config().pair, _Fakes(), plugins().bundles).members)  # type: ignore[arg-type]


@dataclass
class World:
    """A pipeline of watched models."""

    kind: Kind = "tokens"
    exact: bool = True
    limit: int | None = None
    models: dict[Source, WatchedModel] = field(init=False)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.models = {source: self._model(seed) for seed, source in enumerate(Source)}
        if self.kind == "views":
            self.models[ALIGNED] = self.models[BASE]
        exchange: Exchange = "text" if self.kind == "text" else "tokens"
        members = {
            source: Member(self.models[source], one.tokenizer, one.chat_template, one.special_tokens)
            for source, one in _members().items()
        }
        made = config()
        self.pipeline = Pipeline(
            Pair(members, exchange),
            plugins().routers.build(made.router, "router"),
            plugins().samplers.build(made.sampler, "sampler"),
            made.decode,
            made.prompts,
            plugins(),
        )

    def _model(self, seed: int) -> WatchedModel:
        size = made_bundle.VOCAB_SIZE
        return WatchedModel(seed, size, self.limit, favour=range(256, size), exact=self.exact)

    @property
    def living(self) -> int:
        """How many sequences live."""
        return len({id(one) for model in self.models.values() for one in list(model.living)})

    @contextmanager
    def desk(self, **limits: int) -> Iterator[Desk]:
        desk = Desk(self.pipeline, DeskLimits(**limits))
        desk.start()
        try:
            yield desk
        finally:
            for model in self.models.values():
                model.gate = None
            desk.close(PATIENCE)


class Ear:
    """Hears what is told of one request."""

    def __init__(self, then: Callable[[Told], None] = lambda item: None) -> None:
        self.told: list[Told] = []
        self._then = then
        self._ended = threading.Event()

    def __call__(self, item: Told) -> None:
        assert not self._ended.is_set(), "something was told behind the last"
        self.told.append(item)
        self._then(item)
        if isinstance(item, Finished | Failed):
            self._ended.set()

    def wait(self) -> Finished | Failed:
        """Return the last that is told."""
        assert self._ended.wait(PATIENCE), f"not ended after {len(self.told)} items"
        last = self.told[-1]
        assert isinstance(last, Finished | Failed)
        return last

    @property
    def samples(self) -> list[Sample]:
        found = [item for item in self.told if isinstance(item, Sample)]
        assert len({sample.index for sample in found}) == len(found), "a text was told twice"
        return sorted(found, key=lambda sample: sample.index)

    @property
    def events(self) -> dict[int, list[TokenEvent]]:
        found: dict[int, list[TokenEvent]] = {}
        for item in self.told:
            if isinstance(item, TokenEvent):
                found.setdefault(item.sample, []).append(item)
        return found


def asked(desk: Desk, prompt: str, *overrides: str) -> Ear:
    """Ask for something and return who hears of it."""
    ear = Ear()
    desk.submit(Ask(prompt, config(*overrides)), ear)
    return ear


def alone(world: World, ask: Ask) -> list[Sample]:
    """Return what the pipeline writes for a request by itself, with models of its own."""
    return World(world.kind, world.exact, world.limit).pipeline.using(ask.config).generate(ask.prompt)


def said(samples: Sequence[Sample]) -> list[tuple[int, str, str, list[tuple[int, Source, str, float]]]]:
    """Return all that must not depend on company."""
    return [
        (
            one.index,
            one.text,
            one.finish_reason,
            [(event.token_id, event.source, event.text, event.logprob) for event in one.tokens],
        )
        for one in samples
    ]
