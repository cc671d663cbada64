"""Routers made of routers: the first with an opinion decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import msgspec

from baco_core.router import (
    Decider,
    Decision,
    DecisionPoint,
    Generation,
    Router,
    StatefulDecider,
    is_blocking,
)
from baco_core.source import Source
from baco_routers.content import Fc, Punc
from baco_routers.logit import H, P
from baco_routers.options import EntropyGamma, FiresOn, Gamma, Language, Probe, Words, require_choice


@dataclass(frozen=True, slots=True)
class Chain:
    """The first of several routers that has an opinion; `otherwise` writes where none has.

    A member passes where its decider answers None. A member with the optional method `opinion`, as
    the content rules have, is started by it: like `start`, but its decider may answer None where a
    router on its own must decide. A member behind one that always has an opinion is never asked.
    """

    routers: Annotated[
        tuple[Router, ...], msgspec.Meta(description="The routers to ask in turn, each `use` and `options`.")
    ]
    otherwise: Annotated[
        Literal["base", "aligned"], msgspec.Meta(description="Who writes where no router has an opinion.")
    ] = "base"

    def __post_init__(self) -> None:
        require_choice("otherwise", self.otherwise, tuple(Source))
        if not self.routers:
            raise ValueError("routers must name one router or more")

    @property
    def needs(self) -> frozenset[Source]:
        """The rows that any member needs."""
        return frozenset[Source]().union(*(router.needs for router in self.routers))

    @property
    def replayable(self) -> bool:
        """Whether every member can be asked twice."""
        return all(getattr(router, "replayable", True) for router in self.routers)

    @property
    def blocking(self) -> bool:
        """Whether any member waits for something outside."""
        return any(is_blocking(router) for router in self.routers)

    def start(self, generation: Generation) -> Decider:
        """Return a decider that always decides."""
        source = Source(self.otherwise)
        return _first_of(self._opinions(generation), Decision(source, "no router has an opinion"))

    def opinion(self, generation: Generation) -> Decider:
        """Return a decider that answers None where no member has an opinion."""
        return _first_of(self._opinions(generation), None)

    def _opinions(self, generation: Generation) -> tuple[Decider, ...]:
        return tuple(getattr(router, "opinion", router.start)(generation) for router in self.routers)


def _first_of(deciders: tuple[Decider, ...], otherwise: Decision | None) -> Decider:
    """Return the chain's decider; only with a stateful member has it a state itself."""
    stateful = any(isinstance(decider, StatefulDecider) for decider in deciders)
    return (StatefulChainDecider if stateful else ChainDecider)(deciders, otherwise)


@dataclass(frozen=True, slots=True)
class ChainDecider:
    """Asks its deciders in turn."""

    deciders: tuple[Decider, ...]
    otherwise: Decision | None

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return the first opinion, or `otherwise`."""
        for decider in self.deciders:
            decision = decider.decide(point)
            if decision is not None:
                return decision
        return self.otherwise


@dataclass(frozen=True, slots=True)
class StatefulChainDecider(ChainDecider):
    """Asks its deciders in turn, and keeps the state of those that remember."""

    def snapshot(self) -> tuple[object, ...]:
        """Return the states of the members, None for those without."""
        return tuple(
            decider.snapshot() if isinstance(decider, StatefulDecider) else None for decider in self.deciders
        )

    def restore(self, snapshot: object) -> None:
        """Give every member its state back."""
        for decider, state in zip(self.deciders, cast(tuple[object, ...], snapshot), strict=True):
            if isinstance(decider, StatefulDecider):
                decider.restore(state)


class _Combined(ABC):
    """A content rule first; where it does not fire, a logit rule."""

    __slots__ = ()

    @property
    @abstractmethod
    def chain(self) -> Chain:
        """The chain it stands for."""

    def __post_init__(self) -> None:
        _ = self.chain  # its members check their options

    @property
    def needs(self) -> frozenset[Source]:
        """The rows that either rule needs."""
        return self.chain.needs

    def start(self, generation: Generation) -> Decider:
        """Return the decider."""
        return self.chain.start(generation)


@dataclass(frozen=True, slots=True)
class PPunc(_Combined):
    """Aligned if the probed top-1 is punctuation or formatting, else as `p` says: BACo-P-PUNC."""

    gamma: Gamma = 0.3
    probe: Probe = "base"
    fires_on: FiresOn = "class"

    @property
    def chain(self) -> Chain:
        """`punc`, then `p`."""
        return Chain((Punc(self.probe, self.fires_on), P(self.gamma)))


@dataclass(frozen=True, slots=True)
class HPunc(_Combined):
    """Aligned if the probed top-1 is punctuation or formatting, else as `h` says: BACo-H-PUNC."""

    gamma: EntropyGamma = 2.0
    probe: Probe = "base"
    fires_on: FiresOn = "class"

    @property
    def chain(self) -> Chain:
        """`punc`, then `h`."""
        return Chain((Punc(self.probe, self.fires_on), H(self.gamma)))


@dataclass(frozen=True, slots=True)
class PFc(_Combined):
    """Aligned if the probed top-1 is a function word, else as `p` says: BACo-P-FC."""

    gamma: Gamma = 0.3
    probe: Probe = "base"
    fires_on: FiresOn = "class"
    language: Language = "en"
    words: Words = ()

    @property
    def chain(self) -> Chain:
        """`fc`, then `p`."""
        return Chain((Fc(self.probe, self.fires_on, self.language, self.words), P(self.gamma)))


@dataclass(frozen=True, slots=True)
class HFc(_Combined):
    """Aligned if the probed top-1 is a function word, else as `h` says."""

    gamma: EntropyGamma = 2.0
    probe: Probe = "base"
    fires_on: FiresOn = "class"
    language: Language = "en"
    words: Words = ()

    @property
    def chain(self) -> Chain:
        """`fc`, then `h`."""
        return Chain((Fc(self.probe, self.fires_on, self.language, self.words), H(self.gamma)))
