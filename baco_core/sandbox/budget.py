"""What one rendering may use: processor time, and characters or items in one value."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

MAX_NUMBER = 100_000
"""The largest number a filter or a method of a text may be given: a width, a count, an indentation."""

MAX_BITS = 4096
"""The largest whole number a template may compute, in bits."""


class LimitError(Exception):
    """A template wants more time or memory than it gets."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one rendering may use: characters (or items) in one value, and processor time."""

    characters: int
    seconds: float
    deadline: float

    def tick(self) -> None:
        """Raise LimitError when the time is used up."""
        if time.thread_time() > self.deadline:
            raise LimitError(f"it takes more than {self.seconds:g} seconds")

    def claim(self, size: int) -> None:
        """Raise LimitError when a value of `size` characters or items is too large, or time is up."""
        self.tick()
        if size > self.characters:
            raise LimitError(f"it makes a value of more than {self.characters} characters")


_budget: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def limited(characters: int, seconds: float) -> Iterator[None]:
    """Bound the templates that are rendered inside: characters of one value, seconds of processor time."""
    token = _budget.set(Budget(characters, seconds, time.thread_time() + seconds))
    try:
        yield
    finally:
        _budget.reset(token)


def measured(value: Any) -> Any:
    """Return `value`; LimitError when it is too large, spelt out in full (a list that holds itself twice
    over and over is small in memory and endless in print)."""
    budget = _budget.get()
    budget.tick()
    left, pending = budget.characters, [value]
    while pending:
        item = pending.pop()
        left -= 1
        if isinstance(item, str):
            left -= len(item)
        elif isinstance(item, int):
            check_bits(item.bit_length())
        elif isinstance(item, Mapping):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, _COLLECTIONS):
            pending += item
        if left < 0:
            budget.claim(budget.characters + 1)
    return value


_COLLECTIONS: Any = (list, tuple, AbstractSet, ValuesView)


def tick() -> None:
    """Look at the time; LimitError when it is used up."""
    _budget.get().tick()


def claim(size: int) -> None:
    """Raise LimitError when a value of `size` characters or items is too large, or time is up."""
    _budget.get().claim(size)


def check_bits(bits: int) -> None:
    """Raise LimitError for a whole number of so many bits when that is too many."""
    if bits > MAX_BITS:
        raise LimitError(f"it computes a number of more than {MAX_BITS} bits")


def check_numbers(values: Iterable[object]) -> None:
    """Raise LimitError when a width or a count among the arguments is too large."""
    for value in values:
        if isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise LimitError(f"it uses a width or a count above {MAX_NUMBER}")
