"""Writes texts of many prompts together and hands over each when it is finished."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby

from baco_core.errors import BacoError
from baco_core.events import Sample
from baco_core.pipeline import Pipeline, Reading
from baco_core.prompts import Message
from baco_core.samples import Text
from baco_core.scheduler import Scheduler
from baco_eval.records import Generation, Setting


@dataclass(frozen=True, slots=True)
class Job:
    """One text to be written. `messages` is what the models are asked for it."""

    setting: Setting
    prompt: str
    index: int
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class _Begun:
    job: Job
    text: Text
    since: float


def written(pipeline: Pipeline, jobs: Iterator[Job], batch: int) -> Iterator[tuple[Generation, float]]:
    """Yield each text as soon as it is finished, and its seconds; at most `batch` are written at once.

    Raises BacoError naming setting and prompt of a text that cannot be begun, and what a model raises.
    """
    with closing(pipeline.scheduler()) as scheduler:
        writer = _Writer(pipeline, scheduler, jobs, batch)
        while writer.fill():
            yield from writer.run()


class _Writer:
    def __init__(self, pipeline: Pipeline, scheduler: Scheduler, jobs: Iterator[Job], batch: int) -> None:
        self._pipeline = pipeline
        self._scheduler = scheduler
        self._jobs = jobs
        self._batch = batch
        self._writing: dict[int, _Begun] = {}  # by id of the decoding
        self._read: tuple[Sequence[Message], Reading] | None = None

    def fill(self) -> bool:
        """Begin as many texts as may be written; return whether there is one."""
        while len(self._writing) < self._batch and (job := next(self._jobs, None)):
            text = self._begin(job)
            self._writing[id(text.decoding)] = _Begun(job, text, time.monotonic())
            self._scheduler.add(text.decoding)
        return bool(self._writing)

    def run(self) -> Iterator[tuple[Generation, float]]:
        """Write on until the models must read again; yield what was finished by that."""
        for decoding, step in self._scheduler.run():
            begun = self._writing.get(id(decoding))  # None once it has reached a stop string
            if begun is not None and begun.text.write(step):
                del self._writing[id(decoding)]
                self._scheduler.drop(decoding)
                yield generation(begun.job, self._told(begun.text)), time.monotonic() - begun.since

    def _begin(self, job: Job) -> Text:
        try:
            return self._pipeline.text(job.index, self._reading(job.messages))
        except BacoError as error:
            setting = f"{job.setting.method} {job.setting.id}"
            raise type(error)(f"{setting}, prompt {job.prompt!r}: {error}") from error

    def _reading(self, messages: Sequence[Message]) -> Reading:
        """Return what the models read; the texts of a prompt come one after the other and share it."""
        if self._read is None or self._read[0] != messages:
            self._read = messages, self._pipeline.read(messages)
        return self._read[1]

    def _told(self, text: Text) -> Sample:
        """Let observers see the text; return its sample."""
        hook = self._pipeline.plugins.hook
        for item in text.untold:
            if isinstance(item, Sample):
                hook.on_finish(item)
                return item
            hook.on_token(item)
        raise ValueError("a finished text ends with its sample")


def generation(job: Job, sample: Sample) -> Generation:
    """Return a sample as it is kept."""
    return Generation(
        method=job.setting.method,
        setting=job.setting.id,
        prompt=job.prompt,
        index=job.index,
        text=sample.text,
        finish_reason=sample.finish_reason,
        tokens=sample.usage.completion_tokens,
        base_tokens=sample.usage.base_tokens,
        pieces=pieces(sample),
    )


def pieces(sample: Sample) -> tuple[tuple[str, str], ...]:
    """Return the runs of text by one source, in order; tokens that made nothing readable are left out."""
    told = ((str(event.source), event.text) for event in sample.tokens if event.text)
    return tuple(
        (source, "".join(text for _, text in run)) for source, run in groupby(told, lambda piece: piece[0])
    )
