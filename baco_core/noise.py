"""Noise keyed by what it is for, never by when it is drawn (DESIGN 3).

A counter-based generator, Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC 2011): the key is the seed; the counter is (block of four tokens, position, sample, stream). So
a token's noise is the same in whatever order, batch or process it is computed, and can be computed
for a few tokens alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ROUNDS = 10
_LANES = 4
_TOKENS, _ROUTER = 0, 1  # the two streams: one never moves the other

Words = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]


def philox4x32(counter: Sequence[NDArray[np.uint64] | int], key: tuple[int, int]) -> Words:
    """Return four arrays of 32-bit words (in uint64) for four broadcastable counter words.

    Agrees with the published test vectors of the Random123 library.
    """
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0), p1 & _MASK
        c2, c3 = (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1), p0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _key(seed: int) -> tuple[int, int]:
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF


def _uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Map 32-bit words into the open interval (0, 1)."""
    return (words.astype(np.float64) + 0.5) * 2.0**-32


@dataclass(frozen=True, slots=True)
class GumbelNoise:
    """Gumbel(0, 1) noise of one sample: adding it to log-probabilities makes argmax a draw.

    `seed` is from 0 to 2**64 - 1, `sample` the index of the sample (0 to 2**32 - 1).
    """

    seed: int
    sample: int = 0

    def at(self, position: int, token_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the noise of `token_ids`, shape (k,), at `position`, float64, from -3.2 to 22.9."""
        blocks, lanes = np.divmod(token_ids.astype(np.uint64), np.uint64(_LANES))
        words = philox4x32((blocks, position, self.sample, _TOKENS), _key(self.seed))
        return -np.log(-np.log(_uniform(np.choose(lanes.astype(np.intp), words))))

    def row(self, position: int, vocab_size: int) -> NDArray[np.float64]:
        """Return the noise of all tokens, shape (vocab_size,), float64: `at` for every id, faster."""
        blocks = np.arange(-(-vocab_size // _LANES), dtype=np.uint64)
        words = philox4x32((blocks, position, self.sample, _TOKENS), _key(self.seed))
        uniform = _uniform(np.stack(words, axis=1).reshape(-1)[:vocab_size])
        return -np.log(-np.log(uniform))


@dataclass(frozen=True, slots=True)
class UniformStream:
    """A router's own uniform noise of one sample, keyed by position."""

    seed: int
    sample: int = 0

    def at(self, position: int, lane: int = 0) -> float:
        """Return a number in (0, 1); `lane` (0 to 3) gives independent numbers for one position."""
        words = philox4x32((0, position, self.sample, _ROUTER), _key(self.seed))
        return float(_uniform(words[lane]))
