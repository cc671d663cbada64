"""Routers that always say the same: one model of the pair alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from baco_core.router import Decision, DecisionPoint, Generation
from baco_core.source import Source


@dataclass(frozen=True, slots=True)
class ConstantDecider:
    """Gives one decision everywhere; None for a rule that never has an opinion."""

    decision: Decision | None

    def decide(self, point: DecisionPoint) -> Decision | None:
        """Return the decision."""
        return self.decision


class _Always:
    __slots__ = ()
    source: ClassVar[Source]

    @property
    def needs(self) -> frozenset[Source]:
        """No rows."""
        return frozenset()

    @property
    def speakers(self) -> frozenset[Source]:
        """Nobody else ever speaks."""
        return frozenset({self.source})

    def start(self, generation: Generation) -> ConstantDecider:
        """Return the decider."""
        return ConstantDecider(Decision(self.source, f"always {self.source}"))


@dataclass(frozen=True, slots=True)
class Base(_Always):
    """The base model writes everything."""

    source: ClassVar[Source] = Source.BASE


@dataclass(frozen=True, slots=True)
class Aligned(_Always):
    """The aligned model writes everything."""

    source: ClassVar[Source] = Source.ALIGNED
