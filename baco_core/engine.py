"""Engines run readings: here and now, or each model in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from baco_core.lane import Reading
from baco_core.model import Model
from baco_core.rows import Rows

Outcome = Rows | Exception
"""The rows of a reading, or what the model raised instead."""

Failed = Callable[[Sequence[Reading], Exception], None]
"""Is told of readings that a model could not read, and why."""


def raising(readings: Sequence[Reading], error: Exception) -> None:
    """Let whoever runs the engine have the error."""
    raise error


class Engine(Protocol):
    """Runs the readings of a model in one pass where the model can."""

    @property
    def concurrent(self) -> bool:
        """Whether models read at the same time, while the caller goes on."""

    def idle(self, model: Model) -> bool:
        """Return whether the model may be given readings."""

    def submit(self, model: Model, readings: Sequence[Reading], failed: Failed = raising) -> None:
        """Begin to read; an idle model's readings only.

        `failed` is called, now or in `wait`, with readings of a pass in which the model raised.
        """

    def wait(self) -> bool:
        """Wait for at least one pass, and hand out its rows; False when none was under way."""

    def close(self) -> None:
        """Wait for passes under way, whose rows nobody gets, and let go of threads."""


class Inline:
    """Runs readings at once, in the caller's thread: one model after the other."""

    concurrent = False

    def __init__(self, *, together: bool = True) -> None:
        """With `together` readings share a pass where the model can; else each has its own."""
        self._together = together
        self._ran = False

    def idle(self, model: Model) -> bool:
        """Return True: nothing runs between calls."""
        return True

    def submit(self, model: Model, readings: Sequence[Reading], failed: Failed = raising) -> None:
        """Read, and hand out the rows."""
        groups = [readings] if self._together else [[reading] for reading in readings]
        self._ran = True
        for group in groups:
            hand_out(group, read(model, group), failed)

    def wait(self) -> bool:
        """Return whether anything was read since the last call."""
        ran, self._ran = self._ran, False
        return ran

    def close(self) -> None:
        """Nothing is under way."""


class Threads:
    """Runs each model in a thread of its own: they read at the same time."""

    concurrent = True

    def __init__(self) -> None:
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._under_way: dict[int, tuple[Future[list[Outcome]], Sequence[Reading], Failed]] = {}

    def idle(self, model: Model) -> bool:
        """Return whether no pass of this model is under way."""
        return id(model) not in self._under_way

    def submit(self, model: Model, readings: Sequence[Reading], failed: Failed = raising) -> None:
        """Let the model's thread read."""
        thread = self._threads.get(id(model))
        if thread is None:
            thread = self._threads[id(model)] = ThreadPoolExecutor(1, "baco-model")
        self._under_way[id(model)] = thread.submit(read, model, readings), readings, failed

    def wait(self) -> bool:
        """Wait until a pass is over."""
        if not self._under_way:
            return False
        done, _ = wait([future for future, *_ in self._under_way.values()], return_when=FIRST_COMPLETED)
        for key, (future, readings, failed) in list(self._under_way.items()):
            if future in done:
                del self._under_way[key]
                hand_out(readings, future.result(), failed)
        return True

    def close(self) -> None:
        """Wait for passes under way and end the threads."""
        for thread in self._threads.values():
            thread.shutdown(wait=True)
        self._threads.clear()
        self._under_way.clear()


def read(model: Model, readings: Sequence[Reading]) -> list[Outcome]:
    """Run readings of one model: each context on its own, all else in one pass where the model can."""
    found = {id(one): _attempt(one) for one in readings if one.context}
    texts = [one for one in readings if not one.context]
    found |= zip(map(id, texts), _extended(model, texts), strict=True)
    return [found[id(one)] for one in readings]


def _attempt(reading: Reading) -> Outcome:
    try:
        if reading.context is None:
            return reading.sequence.extend(reading.token_ids, reading.rows)
        with reading.context.lock:
            return reading.sequence.prefill(reading.token_ids)
    except Exception as error:
        return error


def _extended(model: Model, readings: Sequence[Reading]) -> Sequence[Outcome]:
    if len(readings) <= 1:
        return [_attempt(one) for one in readings]
    before = [one.sequence.length for one in readings]
    try:
        return model.extend_many(
            [one.sequence for one in readings],
            [one.token_ids for one in readings],
            [one.rows for one in readings],
        )
    except Exception as error:
        if [one.sequence.length for one in readings] != before:
            return [error] * len(readings)
        return [_attempt(one) for one in readings]  # nothing was read: find whose fault it is


def hand_out(readings: Sequence[Reading], outcomes: Sequence[Outcome], failed: Failed) -> None:
    """Give each reading its rows; `failed` hears of those that have none, or none that can be used."""
    for reading, outcome in zip(readings, outcomes, strict=True):
        try:
            if isinstance(outcome, Exception):
                raise outcome
            reading.take(outcome)
        except Exception as error:
            failed([reading], error)
