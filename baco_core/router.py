"""What a router plugin implements: who speaks next.

A router is a frozen recipe (a frozen dataclass whose fields are its options). For each generation it
starts one decider. The decider is asked at decision points only, in order of position, and answers
with a `Decision`. It sees logits and text, never a model, a cache or a sampler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from baco_core.noise import UniformStream
from baco_core.rows import Logits
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Decision:
    """Who speaks and why; the reason is what `--trace` prints.

    `signal` is what the router measured and `threshold` what it was held against, where it has them.
    """

    source: Source
    reason: str = ""
    signal: float | None = None
    threshold: float | None = None
    row: Logits | None = field(default=None, compare=False)
    """Logits to pick the token from in place of the source's own, (vocab_size,), float32: for baselines
    that blend both models' rows. Such a router should have `at_every_token = True`."""


@dataclass(frozen=True, slots=True)
class DecisionPoint:
    """What a router may look at before the token at `position` is written."""

    position: int
    """Index of the token to be written, from 0."""
    text: str
    """What has been written so far (without the prompt)."""
    rows: Mapping[Source, Logits]
    """Raw logits of the sources in `Router.needs`: untempered, unfiltered, (vocab_size,), float32."""
    current: Source | None
    """Who wrote the previous token; None at position 0."""


class Consult(Protocol):
    """Asks one member of the pair a question of its own, apart from the text being written."""

    def __call__(self, source: Source, question: str, answers: Sequence[str]) -> list[float]:
        """Return log P(answer | question) in nats for each answer, as `source` sees it."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What a router may know of one generation when it starts."""

    prompt: str
    """The user's prompt as plain text; of a conversation, its last user turn."""
    vocabularies: Mapping[Source, Vocabulary]
    uniform: UniformStream
    """The router's own noise, keyed by seed, sample and position; it never moves the sampler's."""
    consult: Consult
    """A side question to a member of the pair; costly, only for routers that ask a model."""


@runtime_checkable
class Decider(Protocol):
    """Decides for one generation. Pure, unless it also is a StatefulDecider."""

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return who speaks. None means no opinion, which only members of a `chain` may say."""


@runtime_checkable
class StatefulDecider(Decider, Protocol):
    """A decider that remembers, and whose memory can be saved: for whoever takes a generation back.

    The built-in schedules never do: they run rows ahead, and ask each decider once a position, in order.
    """

    def snapshot(self) -> object:
        """Return the state as an immutable value."""

    def restore(self, snapshot: object) -> None:
        """Go back to a state that `snapshot` returned."""


@runtime_checkable
class Router(Protocol):
    """A frozen recipe for deciders.

    Optional attributes: `speakers: frozenset[Source]` (default both) says who may ever be chosen, so that
    nobody reads for a model that never speaks. `at_every_token: bool` (default False) asks for a decision at
    every token, as `switch_at: token` does, which needs one vocabulary. `replayable: bool` (default True) is
    False when asking twice for one position costs or answers differently (a paid endpoint, say), for whoever
    would. `blocking: bool` (default False) is True where `decide` waits for something outside, an endpoint or
    another process: then each text decides in a thread, several at the same time, and other texts go on.
    """

    @property
    def needs(self) -> frozenset[Source]:
        """Whose rows the decider must see at every decision point."""

    def start(self, generation: Generation) -> Decider:
        """Return a fresh decider."""


def speakers_of(router: Router) -> frozenset[Source]:
    """Return who may ever be chosen: what the router says, else both."""
    speakers: frozenset[Source] = getattr(router, "speakers", frozenset(Source))
    return speakers


def asks_everywhere(router: Router) -> bool:
    """Return whether the router wants to decide at every token."""
    return bool(getattr(router, "at_every_token", False))


def is_blocking(router: Router) -> bool:
    """Return whether deciding waits for something outside."""
    return bool(getattr(router, "blocking", False))
