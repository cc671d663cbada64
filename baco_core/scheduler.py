"""Writes several texts at once: whoever has its rows goes on, and idle models are given work."""

from __future__ import annotations

from collections.abc import Sequence

from baco_core.decode import Step
from baco_core.decoding import Decoding
from baco_core.engine import Engine
from baco_core.model import Model
from baco_core.schedules import Schedule

Written = list[tuple[Decoding, Step]]


class Scheduler:
    """Any number of texts of one pair. Texts may be added and dropped at any time between two runs.

    What a text says does not depend on the others, nor on when it came (DESIGN 3).
    """

    def __init__(self, models: Sequence[Model], schedule: Schedule, engine: Engine) -> None:
        self._models = list({id(model): model for model in models}.values())
        self._schedule = schedule
        self._engine = engine
        self._decodings: list[Decoding] = []

    @property
    def busy(self) -> bool:
        """Whether a text is being written."""
        return bool(self._decodings)

    def add(self, decoding: Decoding) -> None:
        """Write this text too."""
        self._decodings.append(decoding)

    def drop(self, decoding: Decoding) -> None:
        """End a text where it is; what is being read for it is read to its end, for nobody."""
        decoding.close()
        if decoding in self._decodings:
            self._decodings.remove(decoding)

    def run(self) -> Written:
        """Read until something can be written, and return it; nothing when no text is left.

        Raises what a model, router or sampler raises.
        """
        while True:
            written = [(decoding, step) for decoding in self._decodings for step in decoding.advance()]
            self._decodings = [decoding for decoding in self._decodings if not decoding.ended]
            if self._engine.concurrent or not written:
                self._read()
            if written or not self._decodings:
                return written
            self._wait()

    def close(self) -> None:
        """Drop every text and let go of threads."""
        for decoding in list(self._decodings):
            self.drop(decoding)
        self._engine.close()

    def _wait(self) -> None:
        """Wait for rows. A schedule that held back because it meant to guess may be asked again."""
        if self._engine.wait():
            return
        self._read()
        if not self._engine.wait():
            raise RuntimeError("a text waits for rows that nobody reads")

    def _read(self) -> None:
        for model in self._models:
            if self._engine.idle(model) and (readings := self._schedule(self._decodings, model)):
                self._engine.submit(model, readings)
