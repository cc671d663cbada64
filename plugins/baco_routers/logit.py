"""Logit rules: how sure base is of its next token says who writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from baco_core.router import Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_routers.options import EntropyGamma, Gamma, require_number
from baco_routers.signals import entropy, top_probability

NudgingGamma = Annotated[
    float,
    msgspec.Meta(
        ge=0,
        description="Aligned writes where base's top probability is below gamma: 0 never, above 1 always.",
    ),
]

_BASE_ROW = frozenset({Source.BASE})


@dataclass(frozen=True, slots=True)
class P:
    """Base if its highest probability is below gamma, else aligned: BACo-P.

    gamma 0 is the aligned model alone, gamma above 1 the base model alone. The default is ours.
    """

    gamma: Gamma = 0.3

    def __post_init__(self) -> None:
        require_number("gamma", self.gamma, low=0)

    @property
    def needs(self) -> frozenset[Source]:
        """The base row."""
        return _BASE_ROW

    def start(self, generation: Generation) -> ProbabilityDecider:
        """Return the decider."""
        return ProbabilityDecider(self.gamma, unsure=Source.BASE)


@dataclass(frozen=True, slots=True)
class Nudging:
    """Aligned if base's highest probability is below gamma, else base.

    The rule of Nudging (Fei et al. 2025, arXiv 2410.09300) within our loop: aligned steps in where
    base is unsure, the other way round than `p`. The default is that of the authors' code.
    """

    gamma: NudgingGamma = 0.3

    def __post_init__(self) -> None:
        require_number("gamma", self.gamma, low=0)

    @property
    def needs(self) -> frozenset[Source]:
        """The base row."""
        return _BASE_ROW

    def start(self, generation: Generation) -> ProbabilityDecider:
        """Return the decider."""
        return ProbabilityDecider(self.gamma, unsure=Source.ALIGNED)


@dataclass(frozen=True, slots=True)
class H:
    """Base if its entropy, in nats, is above gamma, else aligned: BACo-H.

    gamma below 0 is the base model alone, gamma `.inf` the aligned model alone: a larger gamma gives
    less base, unlike `p`. Thresholds do not carry over between models: take quantiles of the base
    entropy. The default is ours.
    """

    gamma: EntropyGamma = 2.0

    def __post_init__(self) -> None:
        require_number("gamma", self.gamma)

    @property
    def needs(self) -> frozenset[Source]:
        """The base row."""
        return _BASE_ROW

    def start(self, generation: Generation) -> EntropyDecider:
        """Return the decider."""
        return EntropyDecider(self.gamma)


@dataclass(frozen=True, slots=True)
class ProbabilityDecider:
    """Compares base's highest probability with gamma; `unsure` writes where it is below."""

    gamma: float
    unsure: Source

    def decide(self, point: DecisionPoint) -> Decision:
        """Return `unsure` if the highest probability is below gamma, else the other."""
        signal = top_probability(point.rows[Source.BASE])
        source = self.unsure if signal < self.gamma else self.unsure.other
        return Decision(source, "max p_base", signal, self.gamma)


@dataclass(frozen=True, slots=True)
class EntropyDecider:
    """Compares base's entropy with gamma, both in nats."""

    gamma: float

    def decide(self, point: DecisionPoint) -> Decision:
        """Return base if the entropy is above gamma, else aligned."""
        signal = entropy(point.rows[Source.BASE])
        source = Source.BASE if signal > self.gamma else Source.ALIGNED
        return Decision(source, "entropy of p_base", signal, self.gamma)
