"""What a desk counts, for whoever watches it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baco_core.pair import Pair
from baco_core.source import Source

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
    """Requests that have ended, by outcome: one of `desk_told.Ended`, `failed` or `refused`."""
    first_token: Histogram
    """Seconds from the question to the first token of a request."""
    token: Histogram
    """Seconds from one token of a text to the next."""
    request: Histogram
    """Seconds from the question to the end of a request."""


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

    @property
    def count(self) -> int:
        """How many times were counted."""
        return sum(self._counts)

    @property
    def mean(self) -> float:
        """Their mean in seconds, 0 for none."""
        return self._total / self.count if self.count else 0.0

    def histogram(self) -> Histogram:
        """Return what was counted."""
        return Histogram(tuple(self.bounds), tuple(self._counts), self._total)


@dataclass(eq=False)
class Counts:
    """What is counted while a desk works: by its thread, but for what is refused."""

    pair: Pair
    tokens: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    prompt_tokens_read: int = 0
    prompt_tokens_reused: int = 0
    first_token: Times = field(default_factory=Times)
    token: Times = field(default_factory=Times)
    request: Times = field(default_factory=Times)
    _passes_before: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Count passes from now on."""
        self._passes_before = self._passes()

    def seconds_until(self, waiting: int, places: int) -> float:
        """Return a guess of when so many waiting requests will have had their turn: 1 to 60 seconds."""
        return max(1.0, min(60.0, self.request.mean * waiting / places))

    def passes(self) -> dict[str, int]:
        """Return the passes of each model since this began."""
        return {name: count - self._passes_before[name] for name, count in self._passes().items()}

    def _passes(self) -> dict[str, int]:
        if len(self.pair.models) == 1:
            return {"both": self.pair.models[0].forwards}
        return {source.value: self.pair.members[source].model.forwards for source in Source}
