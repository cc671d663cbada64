"""Writes several texts at once: whoever has its rows goes on, and idle models are given work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any, Protocol

from baco_core.decode import Step
from baco_core.decoding import Decoding
from baco_core.engine import Engine
from baco_core.lane import CHUNK, Reading
from baco_core.model import Model
from baco_core.schedules import Schedule


class Reader(Protocol):
    """What a scheduler goes on with: a text in the making, or whatever else has something to read."""

    ended: bool
    deciding: Future[Any] | None
    """What it waits for besides rows, if anything."""

    def advance(self) -> list[Step]:
        """Go on as far as the rows that are there allow; return what was written."""

    def waits_for(self, model: Model) -> bool:
        """Return whether a pass of this model would let it go on."""

    def close(self) -> None:
        """End it here."""


Wants = Callable[[Model, int], Iterable[Reading]]
"""Yields what a reader, one of so many, wants a model to read now."""
Written = list[tuple[Reader, Step]]
Failed = Callable[[Reader, Exception], None]

MOMENT = 0.05
"""Seconds that a turn waits for deciders when there is nothing to read: others may come, or cancel."""
COMPANY = 3
"""So many texts make it worth while to gather them for a pass."""


class Scheduler:
    """Any number of texts of one pair. Texts may be added and dropped at any time between two runs.

    What a text says does not depend on the others, nor on when it came (DESIGN 3).
    """

    def __init__(
        self,
        models: Sequence[Model],
        schedule: Schedule,
        engine: Engine,
        failed: Failed | None = None,
    ) -> None:
        """Read by `schedule` for texts that come without one of their own.

        `failed` is told of a text for which a model, router or sampler raised: it is dropped, and the
        others go on. Without it the error is raised.
        """
        self._models = list({id(model): model for model in models}.values())
        self._schedule = schedule
        self._engine = engine
        self._failed = failed
        self._readers: dict[Reader, Wants] = {}
        self._submitted = 0
        self._held: dict[int, int] = {}  # models that hold back, and how many passes there were before

    @property
    def busy(self) -> bool:
        """Whether a text is being written."""
        return bool(self._readers)

    def add(self, decoding: Decoding, schedule: Schedule | None = None) -> None:
        """Write this text too, or go on with one that was paused."""
        self.read_for(decoding, partial(schedule or self._schedule, decoding))

    def read_for(self, reader: Reader, wants: Wants) -> None:
        """Read for something that is no text."""
        self._readers[reader] = wants

    def pause(self, reader: Reader) -> None:
        """Leave a text as it is until it is added again."""
        self._readers.pop(reader, None)

    def drop(self, reader: Reader) -> None:
        """End a text where it is; what is being read for it is read to its end, for nobody."""
        reader.close()
        self.pause(reader)

    def run(self) -> Written:
        """Read until something can be written, and return it; nothing when no text is left.

        Raises what a model, router or sampler raises.
        """
        while True:
            written = self.turn()
            if written or not self._readers:
                return written

    def turn(self) -> Written:
        """Go on with what is there, else run a pass, of one chunk at most; return what was written."""
        written = [(reader, step) for reader in list(self._readers) for step in self._advanced(reader)]
        for reader in [reader for reader in self._readers if reader.ended]:
            self.pause(reader)
        if self._engine.concurrent or not written:
            self._read()
        if not written and self._readers:
            self._wait()
        return written

    def close(self) -> None:
        """Drop every text and let go of threads."""
        for reader in list(self._readers):
            self.drop(reader)
        self._engine.close()

    def _advanced(self, reader: Reader) -> list[Step]:
        try:
            return reader.advance()
        except Exception as error:
            self._fail(reader, error)
            return []

    def _wait(self) -> None:
        """Wait for rows. A schedule that held back because it meant to guess may be asked again."""
        if self._engine.wait():
            return
        self._read()
        if self._engine.wait() or not self._readers:
            return
        deciding = [reader.deciding for reader in self._readers if reader.deciding]
        if not deciding:
            raise RuntimeError("a text waits for rows that nobody reads")
        wait(deciding, MOMENT, FIRST_COMPLETED)

    def _read(self) -> None:
        for model in self._models:
            if not self._engine.idle(model) or self._holds_back(model):
                continue
            if wanted := within_a_pass(self._wanted(model)):
                owners = {id(reading): reader for reader, reading in wanted}
                self._held.pop(id(model), None)
                self._submitted += 1
                self._engine.submit(model, [one for _, one in wanted], partial(self._lose, owners))

    def _holds_back(self, model: Model) -> bool:
        """Return whether few texts wait for a model, and the end of another's pass will bring it more.

        A pass costs nearly as much for two texts as for four. Nobody is held back for more than one pass.
        """
        if len(self._readers) < COMPANY or all(map(self._engine.idle, self._models)):
            return False
        if self._held.setdefault(id(model), self._submitted) != self._submitted:
            return False
        return 2 * sum(reader.waits_for(model) for reader in self._readers) < len(self._readers)

    def _wanted(self, model: Model) -> list[tuple[Reader, Reading]]:
        texts, found = len(self._readers), []
        for reader, wants in list(self._readers.items()):
            try:
                for reading in wants(model, texts):
                    found.append((reader, reading))  # noqa: PERF401  what came before an error is kept
            except Exception as error:
                self._fail(reader, error)
        return found

    def _lose(self, owners: dict[int, Reader], readings: Sequence[Reading], error: Exception) -> None:
        for reading in readings:
            self._fail(owners[id(reading)], error)

    def _fail(self, reader: Reader, error: Exception) -> None:
        if self._failed is None:
            raise error
        if not reader.ended:  # it may be paused
            self.drop(reader)
            self._failed(reader, error)


def within_a_pass(wanted: Sequence[tuple[Reader, Reading]]) -> list[tuple[Reader, Reading]]:
    """Put off contexts, so that a pass reads no more than a chunk of a long one, and a chunk of short ones.

    Long ones come one after the other, and those that begin alike: so the next can begin with what it shares
    with the first.
    """
    left, longs, kept = CHUNK, 1, []
    for reader, reading in wanted:
        context, size = reading.context, len(reading.token_ids)
        if context is None:
            kept.append((reader, reading))
        elif any(one.context and context.gains_from(one.context) for _, one in kept):
            context.put_off()
        elif len(context.token_ids) - context.length > CHUNK and longs:
            longs -= 1
            kept.append((reader, reading))
        elif len(context.token_ids) - context.length <= CHUNK and size <= left:
            left -= size
            kept.append((reader, reading))
        else:
            context.put_off()
    return kept
