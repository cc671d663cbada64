"""A router that remembers, and one made of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from baco_core.router import Decider, Decision, DecisionPoint, Generation, Router
from baco_core.source import Source

Words = Annotated[int, msgspec.Meta(ge=1, description="How many words each writes before the other's turn.")]


@dataclass(frozen=True, slots=True)
class Alternate:
    """Base and aligned take turns, `words` decision points each; base begins."""

    words: Words = 1

    @property
    def needs(self) -> frozenset[Source]:
        """No rows."""
        return frozenset()

    def start(self, generation: Generation) -> AlternateDecider:
        """Return the decider."""
        return AlternateDecider(self.words)


class AlternateDecider:
    """Counts the decision points."""

    def __init__(self, words: int) -> None:
        self._words = words
        self._seen = 0

    def decide(self, point: DecisionPoint) -> Decision:
        """Return whose turn it is."""
        turn = self._seen // self._words
        self._seen += 1
        return Decision(
            Source.ALIGNED if turn % 2 else Source.BASE, "takes turns", self._seen - 1, self._words
        )

    def snapshot(self) -> int:
        """Return how many decision points there were."""
        return self._seen

    def restore(self, snapshot: object) -> None:
        """Go back."""
        assert isinstance(snapshot, int)
        self._seen = snapshot


@dataclass(frozen=True, slots=True)
class Veto:
    """Another router decides, but base never writes after a full stop."""

    router: Router

    @property
    def needs(self) -> frozenset[Source]:
        """What the other router needs."""
        return self.router.needs

    def start(self, generation: Generation) -> VetoDecider:
        """Return the decider."""
        return VetoDecider(self.router.start(generation))


@dataclass(frozen=True, slots=True)
class VetoDecider:
    """Asks the other decider, unless a sentence has ended."""

    decider: Decider

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return aligned after a full stop, else what the other says."""
        if point.text.endswith("."):
            return Decision(Source.ALIGNED, "after a full stop")
        return self.decider.decide(point)
