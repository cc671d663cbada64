"""Baselines that pick each token from both models' rows at once, where a router hears one of them.

They decide at every token, which needs one vocabulary. Inside their range the text counts as the aligned
model's, whose end tokens end it, so a base share says nothing of them. With a value at its end the text is
one model's alone, token for token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_core.errors import ConfigError
from baco_core.router import Decision, DecisionPoint, Generation
from baco_core.rows import Logits, log_normaliser
from baco_core.source import Source
from baco_routers.options import require_choice, require_number

Rule = Literal["probabilities", "logits"]
RULES: tuple[Rule, ...] = ("probabilities", "logits")
Weight = Annotated[
    float, msgspec.Meta(ge=0, le=1, description="Weight of base, from 0 (aligned alone) to 1 (base alone).")
]
Alpha = Annotated[
    float,
    msgspec.Meta(
        ge=0,
        le=1000,
        description="How far from base towards aligned: 0 base alone, 1 aligned alone, above 1 beyond it.",
    ),
]
Plausible = Annotated[
    float,
    msgspec.Meta(
        ge=0,
        le=1,
        description="Only tokens are picked whose aligned probability is at least this share of the "
        "likeliest one's; 0 lets all pass, contrastive decoding takes 0.1.",
    ),
]
Numbers = NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)


class Recipe(Protocol):
    """Makes one row of two."""

    def alone(self) -> Source | None:
        """Return whose row it is, where it is one model's."""

    def combine(self, base: Numbers, aligned: Numbers) -> Numbers:
        """Return the blend of two rows of ln p, each (size,), float64; -inf is probability zero."""


class _Blend:
    __slots__ = ()
    at_every_token: ClassVar[bool] = True

    @property
    def needs(self) -> frozenset[Source]:
        """Both rows."""
        return frozenset(Source)


@dataclass(frozen=True, slots=True)
class Ensemble(_Blend):
    """The weighted mean of both distributions: of the probabilities, or of the logits.

    The mean of logits is the geometric mean of the probabilities: what both models find likely. The mean
    of probabilities is what either finds likely.
    """

    weight: Weight = 0.5
    rule: Annotated[Rule, msgspec.Meta(description="What the mean is of: probabilities or logits.")] = (
        "probabilities"
    )

    def __post_init__(self) -> None:
        require_number("weight", self.weight, 0, 1)
        require_choice("rule", self.rule, RULES)

    def start(self, generation: Generation) -> BlendDecider:
        """Return the decider."""
        return start(self, generation)

    def alone(self) -> Source | None:
        """Return whose row it is at the ends."""
        return {0.0: Source.ALIGNED, 1.0: Source.BASE}.get(self.weight)

    def combine(self, base: Numbers, aligned: Numbers) -> Numbers:
        """Return the mean."""
        if self.rule == "logits":
            mean: Numbers = self.weight * base + (1 - self.weight) * aligned
            return mean
        mixed: Numbers = np.logaddexp(math.log(self.weight) + base, math.log1p(-self.weight) + aligned)
        return mixed


@dataclass(frozen=True, slots=True)
class Contrast(_Blend):
    """base + alpha * (aligned - base), in logits.

    Proxy-tuning (Liu et al. 2024, arXiv 2401.08565) adds what tuning changed in the logits to a base
    model; where that base is the pair's own, and the change is scaled, this is decoding-time realignment
    (Liu et al. 2024, arXiv 2402.02992). Above 1 it is contrastive decoding (Li et al. 2023, arXiv
    2210.15097) with aligned as the expert, whose limit to plausible tokens is `plausible`. Up to 1 it is
    `ensemble` of logits with the weight 1 - alpha.
    """

    alpha: Alpha = 1.5
    plausible: Plausible = 0.0

    def __post_init__(self) -> None:
        require_number("alpha", self.alpha, 0, 1000)
        require_number("plausible", self.plausible, 0, 1)

    def start(self, generation: Generation) -> BlendDecider:
        """Return the decider."""
        return start(self, generation)

    def alone(self) -> Source | None:
        """Return whose row it is at 0 and 1, where every token may be picked."""
        return None if self.plausible else {0.0: Source.BASE, 1.0: Source.ALIGNED}.get(self.alpha)

    def combine(self, base: Numbers, aligned: Numbers) -> Numbers:
        """Return the extrapolation; a token that either model rules out stays ruled out."""
        there = np.isfinite(base) & np.isfinite(aligned)
        if self.plausible:
            there &= aligned >= aligned.max() + math.log(self.plausible)
        row = np.full(base.size, -np.inf)
        row[there] = base[there] + self.alpha * (aligned[there] - base[there])
        return row


@dataclass(frozen=True, slots=True)
class BlendDecider:
    """Blends at one position; pure."""

    recipe: Recipe

    def decide(self, point: DecisionPoint) -> Decision:
        """Return the model that is alone, or the blend, spoken by aligned."""
        alone = self.recipe.alone()
        if alone is not None:
            return Decision(alone, f"{alone} alone")
        base, aligned = (log_probabilities(point.rows[source]) for source in Source)
        row = self.recipe.combine(base, aligned)
        height = log_normaliser(point.rows[Source.ALIGNED])
        return Decision(
            Source.ALIGNED,
            "blend of both",
            row=as_logits(row if np.isfinite(row).any() else aligned, height),
        )


def start(recipe: Recipe, generation: Generation) -> BlendDecider:
    """Return the decider; ConfigError when the rows of the two models are not of the same tokens."""
    sizes = {source: vocabulary.size for source, vocabulary in generation.vocabularies.items()}
    if len(set(sizes.values())) > 1:
        raise ConfigError(
            f"router: a blend of both models' rows needs one vocabulary, but base has {sizes[Source.BASE]} "
            f"tokens and aligned {sizes[Source.ALIGNED]}; choose another router."
        )
    return BlendDecider(recipe)


def log_probabilities(row: Logits) -> Numbers:
    """Return ln p of the tokens of a row, (vocab_size,), float64, good to one part in a million."""
    numbers: Numbers = row.astype(np.float64) - log_normaliser(row)
    return numbers


def as_logits(row: Numbers, height: float) -> Logits:
    """Return ln p, plus the aligned row's normaliser, as float32, read-only.

    At that height samplers for which more counts than differences (repetition penalties) find what they
    would in the aligned row. It is lowered where it would not fit into float32.
    """
    top = float(row.max())
    with np.errstate(over="ignore"):  # what is below the smallest number has no weight
        logits: Logits = (row - top + min(top + height, LARGEST)).astype(np.float32)
    logits.setflags(write=False)
    return logits
