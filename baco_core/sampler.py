"""What a sampler plugin implements: which tokens may be picked, and how evenly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from baco_core.rows import Logits


@runtime_checkable
class Sampler(Protocol):
    """A frozen recipe, pure and shared by both models (DESIGN 3).

    The core turns the filtered logits into a token:
    `argmax(filter(logits, history) / temperature + Gumbel noise)`, or plain argmax at temperature 0.
    """

    @property
    def temperature(self) -> float:
        """0 (greedy) or more."""

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        """Return a new row, shape (vocab_size,), float32, with -inf for tokens that must not be picked.

        `logits` is read-only. `history` holds this model's token ids of the generated text so far
        (what the other model wrote is in this model's own tokens), for the penalties.
        At least one token keeps a finite value.
        """
