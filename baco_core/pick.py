"""From a row of logits to a token: filter, temper, add noise, take the largest (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baco_core.errors import PluginError
from baco_core.noise import GumbelNoise
from baco_core.rows import Logits
from baco_core.sampler import Sampler


@dataclass(frozen=True, slots=True)
class Picker:
    """Picks tokens of one sample: `argmax(filtered / T + G(seed, sample, position, token))`.

    Both models share it, so where they agree on the distribution they agree on the token.
    """

    sampler: Sampler
    noise: GumbelNoise

    def pick(self, row: Logits, history: Sequence[int], position: int, banned: Sequence[int] = ()) -> int:
        """Return one token id; ties go to the lowest id, and `banned` ids are never picked.

        Raises PluginError when the sampler leaves no token or answers with another shape.
        """
        filtered = self.sampler.filter(_without(row, banned), history)
        kept = np.flatnonzero(filtered > -np.inf)
        if filtered.shape != row.shape or not kept.size:
            raise PluginError(f"sampler {self.sampler!r}: no token is left to pick at position {position}.")
        return int(kept[np.argmax(self._scores(filtered, kept, position))])

    def _scores(self, filtered: Logits, kept: NDArray[np.int64], position: int) -> NDArray[np.float64]:
        temperature = self.sampler.temperature
        scores = filtered[kept].astype(np.float64)
        if temperature == 0:
            return scores
        scores -= scores.max()  # so that a tiny temperature leaves the largest at 0, not at infinity
        with np.errstate(over="ignore"):
            scores /= temperature
        if 4 * kept.size > filtered.size:  # most are left: the whole row is cheaper than single draws
            return scores + self.noise.row(position, filtered.size)[kept]
        return scores + self.noise.at(position, kept)


def _without(row: Logits, banned: Sequence[int]) -> Logits:
    if not banned:
        return row
    row = row.copy()
    row[list(banned)] = -np.inf
    return row


def log_softmax_at(row: Logits, token_ids: Sequence[int]) -> NDArray[np.float64]:
    """Return ln p of `token_ids` under the softmax of `row`, shape (k,), float64, in nats."""
    shifted = row.astype(np.float64) - row.max()
    result: NDArray[np.float64] = shifted[list(token_ids)] - np.log(np.exp(shifted).sum())
    return result
