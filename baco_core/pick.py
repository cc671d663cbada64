"""From a row of logits to a token: filter, temper, add noise, take the largest (DESIGN 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baco_core.errors import PluginError
from baco_core.noise import COLUMNS, LANES, LEAST, MOST, SPAN, GumbelNoise, Heats
from baco_core.rows import Logits, log_normaliser, without
from baco_core.sampler import Sampler

_REACH = 1.0 + MOST - LEAST  # nats by which noise can lift one token over another, and a little more
_WINDOW = 4.0  # nats by which the largest score is mostly not below the largest bound
_ROUNDING = 1e-9
_LOWEST = float(np.finfo(np.float32).min)

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Picker:
    """Picks tokens of one sample: `argmax((filtered - max) / T + G(seed, sample, position, token))`.

    Both models share it, so where they agree on the distribution they agree on the token.
    """

    sampler: Sampler
    noise: GumbelNoise

    def pick(self, row: Logits, history: Sequence[int], position: int, banned: Sequence[int] = ()) -> int:
        """Return one token id; ties go to the lowest id, and `banned` ids are never picked.

        Raises PluginError when the sampler leaves no token or answers with another shape.
        """
        filtered = self.sampler.filter(without(row, banned) if banned else row, history)
        if filtered.shape != row.shape:
            raise self._nothing_left(position)
        return (
            self._greedy(filtered, position)
            if self.sampler.temperature == 0
            else self._draw(filtered, position)
        )

    def _greedy(self, filtered: Logits, position: int) -> int:
        token_id = int(filtered.argmax())
        if not math.isfinite(filtered[token_id]):
            raise self._nothing_left(position)
        return token_id

    def _draw(self, filtered: Logits, position: int) -> int:
        maxima = largest_of_heats(filtered)
        top = float(maxima.max())
        if not math.isfinite(top):
            raise self._nothing_left(position)
        return _Race(filtered, maxima, top, self.sampler.temperature, self.noise, position).winner()

    def _nothing_left(self, position: int) -> PluginError:
        return PluginError(f"sampler {self.sampler!r}: no token is left to pick at position {position}.")


@dataclass(frozen=True, slots=True)
class _Race:
    """The largest of all scores `(logit - top) / temperature + noise`, all in float64.

    A heat's largest logit and largest noise bound the scores of its tokens (see `baco_core.noise`), so
    only heats whose bound reaches the best score found are looked into. The bounds are computed by the
    same operations as the scores, none of which ever reverses an order but by rounding.
    """

    logits: Logits
    maxima: Logits
    """The largest logit of each heat."""
    top: float
    temperature: float
    noise: GumbelNoise
    position: int

    def winner(self) -> int:
        """Return the token of the largest score, the lowest of equals."""
        near = np.flatnonzero(self.maxima >= max(self.top - _REACH * self.temperature, _LOWEST))
        if near.size == 1 and (alone := self._alone(int(near[0]))) is not None:
            return alone
        heats = self.noise.heats(self.position, near)
        bounds = self._tempered(self.maxima[near]) + heats.largest()
        floor = float(bounds.max()) - _WINDOW
        tokens, scores = self._scores(heats.only(np.flatnonzero(bounds >= floor)))
        best = float(scores.max()) - _ROUNDING
        if best < floor:
            bounds[bounds >= floor] = -np.inf
            others = self._scores(heats.only(np.flatnonzero(bounds >= best)))
            tokens, scores = np.concatenate((tokens, others[0])), np.concatenate((scores, others[1]))
        return int(tokens[scores == scores.max()].min())

    def _alone(self, heat: int) -> int | None:
        """Return the one token that a heat has left, which needs no noise to win; None for several."""
        first = heat // COLUMNS * SPAN + heat % COLUMNS
        left = np.flatnonzero(self.logits[first : first + SPAN - heat % COLUMNS : COLUMNS] > -np.inf)
        return first + int(left[0]) * COLUMNS if left.size == 1 else None

    def _scores(self, heats: Heats) -> tuple[Ids, Numbers]:
        """Return the tokens of some heats and their scores."""
        tokens = heats.tokens().reshape(-1)
        there = np.flatnonzero(tokens < self.logits.size)
        tokens = tokens[there]
        return tokens, self._tempered(self.logits[tokens]) + heats.noise().reshape(-1)[there]

    def _tempered(self, logits: Logits) -> Numbers:
        scores = logits.astype(np.float64)
        scores -= self.top  # so that a tiny temperature leaves the largest at 0, not at infinity
        with np.errstate(over="ignore"):
            scores /= self.temperature
        return scores


def largest_of_heats(logits: Logits) -> Logits:
    """Return the largest logit of each heat of a row, shape (heats,), float32."""
    whole = logits.size // SPAN * SPAN
    maxima: Logits = logits[:whole].reshape(-1, LANES, COLUMNS).max(axis=1).reshape(-1)
    if whole == logits.size:
        return maxima
    last = np.full(-(-(logits.size - whole) // COLUMNS) * COLUMNS, -np.inf, np.float32)
    last[: logits.size - whole] = logits[whole:]
    return np.concatenate((maxima, last.reshape(-1, COLUMNS).max(axis=0)))


def log_softmax_at(row: Logits, token_ids: Sequence[int]) -> Numbers:
    """Return ln p of `token_ids` under the softmax of `row`, shape (k,), float64, in nats."""
    values: Numbers = row[list(token_ids)].astype(np.float64) - log_normaliser(row)
    return values
