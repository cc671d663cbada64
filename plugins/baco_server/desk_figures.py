"""What a desk counts, for whoever watches it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of what is counted together."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many times took up to so many seconds each; `counts` has one item more, for all above."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    """Sum of all, in seconds."""


@dataclass(frozen=True, slots=True)
class DeskFigures:
    """How a desk stands, and what it has done since it began."""

    alive: bool
    """Whether the desk takes requests: it has begun, is not closing, and nothing of ours broke."""
    queued: int
    """Requests of which nothing has begun."""
    requests_in_hand: int
    """Requests of which something has."""
    texts: int
    """Texts being written."""
    paused: int
    """Texts that have begun and wait for their turn."""
    prompt_tokens_read: int
    """Tokens of contexts that models read."""
    prompt_tokens_reused: int
    """Tokens of contexts that had been read for an earlier request."""
    tokens: Mapping[str, int]
    """Tokens written, by source: `base`, `aligned`."""
    passes: Mapping[str, int]
    """Passes run, by model: `base` and `aligned`, or `both` where they are one model."""
    requests: Mapping[str, int]
    """Requests that have ended, by outcome: `done`, `cancelled`, `deadline`, `closed`, `failed`, `refused`."""
    first_token: Histogram
    """Seconds from the question to the first token of a request."""
    token: Histogram
    """Seconds from one token of a text to the next."""


@dataclass(eq=False)
class Times:
    """Counts seconds; used by one thread, read by any."""

    bounds: Sequence[float] = SECONDS
    _counts: list[int] = field(default_factory=list)
    _total: float = 0.0

    def __post_init__(self) -> None:
        """Begin with nothing."""
        self._counts = [0] * (len(self.bounds) + 1)

    def add(self, seconds: float) -> None:
        """Count one time."""
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self._total += seconds

    def histogram(self) -> Histogram:
        """Return what was counted."""
        return Histogram(tuple(self.bounds), tuple(self._counts), self._total)
