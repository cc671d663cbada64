"""Noise keyed by what it is for, never by when it is drawn (DESIGN 3).

Words come from NumPy's Philox (4x64, ten rounds: Salmon et al., "Parallel random numbers: as easy as
1, 2, 3", SC 2011), whose raw stream NumPy keeps for good (NEP 19). The key is the seed; the counter is
(place, position, sample, stream). So a token's noise is the same in whatever order, batch or process
it is computed, and can be computed for a few tokens alone.

**Heats.** Noise is G = -ln E, where E is exponentially distributed with mean 1: a token's time in a
race. Tokens run in heats of LANES. The first of so many times is exponential too, LANES times as fast,
and each token is equally likely to be it; and as such times have no memory, every other token comes
later than it by an exponential time of its own. So one word says who is first in a heat, and when; the
others need a word each, but only where somebody looks. Whoever picks among 262,144 tokens draws 8,192
words and a few heats. The times of all tokens are independent all the same.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LANES = 32
"""Tokens of one heat."""
COLUMNS = 512
"""Heats of one span. A span's tokens are LANES lanes of COLUMNS, one after the other; those at the same
place of their lanes make a heat. So the largest logits of heats are found at the speed of memory."""
SPAN = LANES * COLUMNS

LEAST, MOST = -3.7, 40.3
"""All noise lies between: words give 52 bits, so times are from 3.4e-18 to 37.9."""

_FIRSTS, _OTHERS, _ROUTER = 0, 1, 2  # the streams: none ever moves another
_BLOCK = 4  # words Philox makes of one counter
_LANE = np.uint64(LANES - 1)
_CALL = 400  # a call costs as much as drawing so many words

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class GumbelNoise:
    """Gumbel(0, 1) noise of one sample: adding it to log-probabilities makes argmax a draw.

    `seed` is from 0 to 2**64 - 1, `sample` the index of the sample (0 to 2**64 - 1).
    """

    seed: int
    sample: int = 0

    def at(self, position: int, token_ids: Ids) -> Numbers:
        """Return the noise of `token_ids`, shape (k,), at `position`, float64, LEAST to MOST."""
        heats, lanes = heats_of(token_ids)
        some, where = np.unique(heats, return_inverse=True)
        return self.heats(position, some).noise()[where.reshape(-1), lanes]

    def row(self, position: int, vocab_size: int) -> Numbers:
        """Return the noise of all tokens, shape (vocab_size,), float64: `at` for every id."""
        spans = -(-vocab_size // SPAN)
        noise = self.heats(position, np.arange(spans * COLUMNS)).noise().reshape(spans, COLUMNS, LANES)
        return np.ascontiguousarray(noise.transpose(0, 2, 1)).reshape(-1)[:vocab_size]

    def heats(self, position: int, heats: Ids) -> Heats:
        """Return some heats, in rising order; of each it is drawn who is first, and when."""
        firsts = self._words(_FIRSTS, position, heats, 1)[:, 0]
        return Heats(self, position, heats, firsts, np.log(_uniform(firsts)) * (-1 / LANES))

    def others(self, position: int, heats: Ids) -> Numbers:
        """Return how much later than the first each token of some heats comes, were it not the first."""
        return -np.log(_uniform(self._words(_OTHERS, position, heats, LANES)))

    def _words(self, stream: int, position: int, places: Ids, width: int) -> Words:
        """Return `width` words for each of some places, shape (k, width); `places` rise.

        One long draw, or a short one for each place, whichever is less work.
        """
        if not places.size:
            return np.empty((0, width), np.uint64)
        first, last = int(places[0]), int(places[-1])
        source = _source(self.seed, position, self.sample, stream)
        if places.size * _CALL < (last - first + 1) * width:
            words = np.empty((places.size, width), np.uint64)
            for index, start in enumerate((places * width).tolist()):
                words[index] = source.draw(start, width)
            return words
        rows = source.draw(first * width, (last - first + 1) * width).reshape(-1, width)
        return rows if len(rows) == places.size else rows[places - first]


@dataclass(frozen=True, slots=True)
class Heats:
    """Some heats of one position. `firsts` are words, `times` when the first of each heat comes."""

    source: GumbelNoise
    position: int
    heats: Ids
    firsts: Words
    times: Numbers

    def largest(self) -> Numbers:
        """Return the largest noise in each heat, shape (k,), float64."""
        return -np.log(self.times)

    def tokens(self) -> Ids:
        """Return the tokens, shape (k, LANES); those of the last span may exceed a vocabulary."""
        spans, columns = np.divmod(self.heats, COLUMNS)
        return (spans * SPAN + columns)[:, None] + np.arange(0, SPAN, COLUMNS)

    def noise(self) -> Numbers:
        """Return the noise of all tokens, shape (k, LANES), float64."""
        times = self.source.others(self.position, self.heats)
        times[np.arange(self.heats.size), (self.firsts & _LANE).astype(np.int64)] = 0
        times += self.times[:, None]
        return -np.log(times)

    def only(self, which: Ids) -> Heats:
        """Return those of the heats, without drawing anything again."""
        return Heats(self.source, self.position, self.heats[which], self.firsts[which], self.times[which])


@dataclass(frozen=True, slots=True)
class UniformStream:
    """A router's own uniform noise of one sample, keyed by position."""

    seed: int
    sample: int = 0

    def at(self, position: int, lane: int = 0) -> float:
        """Return a number in (0, 1); `lane` (0 to 3) gives independent numbers for one position."""
        words = _source(self.seed, position, self.sample, _ROUTER).draw(0, _BLOCK)
        return float(_uniform(words)[lane])


def heats_of(token_ids: Ids) -> tuple[Ids, Ids]:
    """Return the heat of each token, and its lane there."""
    spans, places = np.divmod(token_ids, SPAN)
    lanes, columns = np.divmod(places, COLUMNS)
    return spans * COLUMNS + columns, lanes


def _uniform(words: Words) -> Numbers:
    """Map words into the open interval (0, 1), by their upper 52 bits."""
    numbers = (words >> np.uint64(12)).astype(np.float64)
    numbers += 0.5
    numbers *= 2.0**-52
    return numbers


class _Source:
    """NumPy's Philox, set to any place of any stream of any seed."""

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._state = self._philox.state
        self.key = self._state["state"]["key"]
        self.counter = self._state["state"]["counter"]

    def draw(self, start: int, count: int) -> Words:
        """Return `count` words of a stream from word `start` on."""
        # NumPy counts up before it makes a block: set to (0, ...) it begins with the block of (1, ...)
        self.counter[0] = start // _BLOCK
        self._philox.state = self._state
        skipped = start % _BLOCK
        words: Words = self._philox.random_raw(skipped + count)
        return words[skipped:] if skipped else words


_thread = threading.local()  # a source is set and drawn from in two steps, so each thread has its own


def _source(seed: int, position: int, sample: int, stream: int) -> _Source:
    """Return a source for words of the counter (block, position, sample, stream)."""
    source: _Source | None = getattr(_thread, "source", None)
    if source is None:
        source = _thread.source = _Source()  # once: NumPy asks the system for a seed each time
    source.key[0] = seed
    source.counter[1:] = position, sample, stream
    return source
