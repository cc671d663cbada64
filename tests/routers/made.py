"""Small made-up generations for the router tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from baco_core.noise import UniformStream
from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.rows import Logits
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary

BASE, ALIGNED = Source.BASE, Source.ALIGNED


def row_of(probabilities: Sequence[float]) -> Logits:
    """Return logits whose softmax is `probabilities`."""
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(probabilities)).astype(np.float32)


def row_for(top: int, size: int) -> Logits:
    """Return logits whose largest entry is `top`."""
    row = np.zeros(size, np.float32)
    row[top] = 5.0
    return row


def vocabulary_of(*pieces: str | bytes) -> Vocabulary:
    """Return a vocabulary of these pieces."""
    return Vocabulary(tuple(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces))


def generation(
    base: Vocabulary | None = None,
    aligned: Vocabulary | None = None,
    *,
    seed: int = 0,
    prompt: str = "Tell me a story.",
    consult: object = None,
) -> Generation:
    """Return what a router may know; without `aligned` both sources share the base's vocabulary."""
    words = base or vocabulary_of("a", "b")
    return Generation(
        prompt,
        {BASE: words, ALIGNED: aligned or words},
        UniformStream(seed),
        consult or _nobody,  # type: ignore[arg-type]
    )


def point(rows: Mapping[Source, Logits] | None = None, text: str = "", position: int = 0) -> DecisionPoint:
    """Return a decision point."""
    return DecisionPoint(position, text, rows or {}, BASE if position else None)


def decided(decider: Decider, at: DecisionPoint) -> Decision:
    """Return the decision, which there must be."""
    decision = decider.decide(at)
    assert decision is not None
    return decision


def _nobody(source: Source, question: str, answers: Sequence[str]) -> list[float]:
    raise AssertionError("nobody asked for a judge")
