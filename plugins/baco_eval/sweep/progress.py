"""Tells how far a long job is, and how long it will take."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress

EVERY_S = 10.0
"""Seconds between two lines."""


def tell(line: str) -> None:
    """Print a line on standard error; where nobody can read it, a long job goes on all the same."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


class Progress:
    """Counts texts, or what else. `tell` gets a line at most every `every` seconds."""

    def __init__(
        self,
        total: int,
        there: int,
        tell: Callable[[str], None],
        every: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
        what: str = "texts",
    ) -> None:
        self._total = total
        self._there = self._first = there
        self._tell = tell
        self._every = every
        self._clock = clock
        self._what = what
        self._begun = self._told = clock()

    def count(self, label: str) -> None:
        """Count one more; `label` says of what, such as its setting."""
        self._there += 1
        now = self._clock()
        if now - self._told >= self._every:
            self._told = now
            self._tell(f"{self._line(now)} ({label})")

    def end(self) -> None:
        """Say that everything is there."""
        took = duration(self._clock() - self._begun)
        now = self._there - self._first
        self._tell(f"{self._there} of {self._total} texts are there; {now} of them written now, in {took}.")

    def _line(self, now: float) -> str:
        done = self._there - self._first
        rate = done / (now - self._begun)
        left = (self._total - self._there) / rate
        share = 100 * self._there / self._total
        return (
            f"{self._there} of {self._total} {self._what} ({share:.0f} %), {rate:.2g} a second, "
            f"about {duration(left)} to go"
        )


def duration(seconds: float) -> str:
    """Return a time span for people.

    >>> [duration(seconds) for seconds in (0.4, 59.6, 61, 3700)]
    ['0 s', '1 min', '1 min 1 s', '1 h 1 min']
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"
