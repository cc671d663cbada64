"""The desk of one pair: requests come in from any thread, one thread writes their texts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from baco_core.errors import BacoError
from baco_core.events import Sample, TokenEvent
from baco_core.pipeline import Pipeline
from baco_core.prompts import TokenIds
from baco_core.source import Source
from baco_server.desk_asks import Ask, DeskLimits
from baco_server.desk_figures import DeskFigures, Histogram, Times
from baco_server.desk_told import ClosingError, Failed, Finished, PromptScores, QueueFullError, Told

__all__ = [
    "Ask",
    "ClosingError",
    "Desk",
    "DeskFigures",
    "DeskLimits",
    "Failed",
    "Finished",
    "Histogram",
    "Job",
    "PromptScores",
    "QueueFullError",
    "Sample",
    "TokenEvent",
    "TokenIds",
    "Told",
]

Tell = Callable[[Told], None]


@dataclass(eq=False)
class Job:
    """A request that was taken on."""

    prompt_tokens: int
    """Tokens of the prompt as the aligned model reads it."""
    cached_tokens: int = 0
    """How many of them were in a kept context; known when reading begins."""
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End the request, from any thread."""
        self._cancelled.set()


class Desk:
    """Writes the texts of one pair."""

    def __init__(self, pipeline: Pipeline, limits: DeskLimits) -> None:
        self._pipeline = pipeline
        self._limits = limits
        self._jobs: queue.Queue[tuple[Job, Ask, Pipeline, Tell] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="baco-desk", daemon=True)
        self._closing = False
        self._first, self._token = Times(), Times()

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, ask: Ask, tell: Tell) -> Job:
        """Take on a request; `tell` is called on the desk's thread and must not block.

        Raises at once, before any work: QueueFullError, ClosingError, and what is wrong with the request
        (ContextError, PromptError, ConfigError, LookUpError).
        """
        if self._closing:
            raise ClosingError("the server is closing and takes no more requests.")
        if self._jobs.qsize() >= self._limits.requests:
            raise QueueFullError(f"{self._limits.requests} requests wait already; try again later.", 1.0)
        pipeline = self._pipeline.using(ask.config)
        if isinstance(ask.prompt, TokenIds):
            raise BacoError("token ids are not served yet.")
        job = Job(len(pipeline.read(ask.prompt).contexts[Source.ALIGNED]))
        self._jobs.put((job, ask, pipeline, tell))
        return job

    def figures(self) -> DeskFigures:
        """Return how the desk stands."""
        times = self._first.histogram(), self._token.histogram()
        alive = self._thread.is_alive() and not self._closing
        return DeskFigures(alive, self._jobs.qsize(), 0, 0, 0, 0, 0, {}, {}, {}, *times)

    def close(self, drain: float) -> None:
        """Refuse new requests, finish what is in hand within `drain` seconds, then end the rest."""
        self._closing = True
        self._jobs.put(None)
        self._thread.join(drain)

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, ask, pipeline, tell = item
            try:
                self._write(job, ask, pipeline, tell)
            except Exception as error:
                tell(Failed(error))

    @staticmethod
    def _write(job: Job, ask: Ask, pipeline: Pipeline, tell: Tell) -> None:
        assert not isinstance(ask.prompt, TokenIds)  # noqa: S101  submit refuses them
        for item in pipeline.stream(ask.prompt, trace=ask.top > 0):
            if job._cancelled.is_set():
                tell(Finished("cancelled"))
                return
            tell(item)
        tell(Finished())
