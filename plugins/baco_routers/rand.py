"""The random router: what a share of base tokens gives by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from baco_core.noise import UniformStream
from baco_core.router import Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_routers.options import require_number

Share = Annotated[
    float, msgspec.Meta(ge=0, le=1, description="Probability that base writes, from 0 (never) to 1 (always).")
]


@dataclass(frozen=True, slots=True)
class Rand:
    """Base with probability gamma, else aligned: BACo-RAND.

    It draws from the router's own noise, keyed by position, so it never moves what is sampled. The
    paper's probability is not established; one half is our default.
    """

    gamma: Share = 0.5

    def __post_init__(self) -> None:
        require_number("gamma", self.gamma, 0, 1)

    @property
    def needs(self) -> frozenset[Source]:
        """No rows."""
        return frozenset()

    def start(self, generation: Generation) -> RandDecider:
        """Return the decider."""
        return RandDecider(generation.uniform, self.gamma)


@dataclass(frozen=True, slots=True)
class RandDecider:
    """Decides for one generation; pure, since the noise belongs to the position."""

    uniform: UniformStream
    gamma: float

    def decide(self, point: DecisionPoint) -> Decision:
        """Return base if the noise of this position, in (0, 1), is below gamma."""
        draw = self.uniform.at(point.position)
        source = Source.BASE if draw < self.gamma else Source.ALIGNED
        return Decision(source, "random draw", draw, self.gamma)
