"""Answers a question: all at once, or as a stream of chunks."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator

import msgspec

from baco_core.events import Sample, TokenEvent
from baco_server.api.errors import ApiError
from baco_server.api.listening import ClientGoneError, Heard
from baco_server.api.question import Json, Question, shares
from baco_server.api.stream import DONE, KEEP_ALIVE, event
from baco_server.desk import Finished, PromptScores

MANY = 5000
"""Likely tokens that are told in some 50 ms."""
ENDED = {
    "closed": ("the server was shut down before this was written; ask again.", "closing"),
    "deadline": ("there was no time to write this; ask again, or for less.", "request_timeout"),
}


class Answering(ABC):
    """What chats and completions answer alike; choice `prompt * n + sample` is text `sample` of a prompt."""

    whole_kind: str
    chunk_kind: str

    def __init__(self, question: Question) -> None:
        self.question = question
        self.samples: dict[int, Sample] = {}
        self.scores: dict[int, PromptScores] = {}
        self._sent: dict[int, int] = {}

    async def whole(self) -> bytes:
        """Return the whole answer; ApiError when it cannot be had, ClientGoneError when nobody wants it."""
        async for heard in self._heard():
            if heard is not None:
                self._keep(heard)
        if sum(len(sample.tokens) for sample in self.samples.values()) * (self.question.likely or 0) > MANY:
            return await asyncio.to_thread(self._answer)  # takes seconds, while others are answered
        return self._answer()

    def _answer(self) -> bytes:
        samples = [self.samples[index] for index in sorted(self.samples)]
        answer = {
            **self.question.head(self.whole_kind),
            "choices": [self.choice(index, self.samples[index]) for index in sorted(self.samples)]
            + self.bare(),
            "usage": self.question.usage(samples),
            "baco": self.question.baco(samples),
        }
        return msgspec.json.encode(answer)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events of a stream; raises as `whole` does, before the first or in mid-stream."""
        async for heard in self._heard():
            if heard is None:
                yield KEEP_ALIVE
                continue
            for chunk in self._chunks(heard):
                yield event(msgspec.json.encode(chunk))
        for choice in self.bare():
            yield event(msgspec.json.encode(self._chunk(choice)))
        usage = self.question.usage(list(self.samples.values()))
        if self.question.include_usage:
            last = {**self.question.head(self.chunk_kind), "choices": [], "usage": usage}
            yield event(msgspec.json.encode(last))
        yield DONE

    async def _heard(self) -> AsyncIterator[Heard | None]:
        """Yield what is told until all jobs have ended; None where nothing is for a while."""
        listening = self.question.listening
        while listening.running:
            heard = await listening.next(self.question.keep_alive)
            if heard is not None and isinstance(heard[1], Finished):
                self._check_whole(*heard)
            yield heard

    def _check_whole(self, prompt: int, finished: object) -> None:
        """Raise when a job ended before each of its texts had begun."""
        n = self.question.n
        if self.written and any(prompt * n + sample not in self.samples for sample in range(n)):
            ended = finished.ended if isinstance(finished, Finished) else ""
            if ended not in ENDED:
                raise ClientGoneError
            message, code = ENDED[ended]
            raise ApiError(503, message, code=code, retry_after=5)

    @property
    def written(self) -> bool:
        """Whether texts were asked for at all."""
        return True

    def bare(self) -> list[Json]:
        """Return choices in which nothing was to be written."""
        return []

    def _keep(self, heard: Heard) -> None:
        prompt, told = heard
        if isinstance(told, Sample):
            self.samples[prompt * self.question.n + told.index] = told
        elif isinstance(told, PromptScores):
            self.scores[prompt] = told

    def _chunks(self, heard: Heard) -> Iterator[Json]:
        """Yield the chunks of what was told."""
        prompt, told = heard
        self._keep(heard)
        if isinstance(told, TokenEvent):
            index = prompt * self.question.n + told.sample
            yield from self._opened(index)
            self._sent[index] += len(told.text)
            yield self._chunk(self.token(index, told))
        elif isinstance(told, Sample):
            yield from self._closed(prompt * self.question.n + told.index, told)

    def _opened(self, index: int) -> Iterator[Json]:
        if index not in self._sent:
            self._sent[index] = 0
            for choice in self.opening(index):
                yield self._chunk(choice)

    def _closed(self, index: int, sample: Sample) -> Iterator[Json]:
        yield from self._opened(index)
        rest = sample.text[self._sent[index] :]  # held back, for it could have begun a stop string
        if rest:
            yield self._chunk(self.remainder(index, rest))
        baco = self.question.baco([sample])
        yield {**self._chunk({**self.closing(index, sample), "baco": baco}), "baco": baco}

    def _chunk(self, choice: Json) -> Json:
        chunk = {**self.question.head(self.chunk_kind), "choices": [choice]}
        return {**chunk, "usage": None} if self.question.include_usage else chunk

    @abstractmethod
    def choice(self, index: int, sample: Sample) -> Json:
        """Return a finished text as a choice of a whole answer."""

    @abstractmethod
    def opening(self, index: int) -> Iterator[Json]:
        """Yield what comes before a text's first token."""

    @abstractmethod
    def token(self, index: int, told: TokenEvent) -> Json:
        """Return one token as a chunk's choice."""

    @abstractmethod
    def remainder(self, index: int, text: str) -> Json:
        """Return text that no token brought."""

    @abstractmethod
    def closing(self, index: int, sample: Sample) -> Json:
        """Return what ends a text."""


def outcome(sample: Sample) -> Json:
    """Return what a choice of a whole answer tells of its text."""
    return {"finish_reason": sample.finish_reason, "baco": shares([sample])}
