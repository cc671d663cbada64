"""What desks tell on their threads, as an asyncio task hears it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from baco_server.api.errors import ApiError, from_failure
from baco_server.api.pairs import ServedPair
from baco_server.desk import Ask, Failed, Finished, Job, TokenEvent, Told

log = logging.getLogger("baco.serve")
SLOW = "the stream was not read in time, so it was ended."
Heard = tuple[int, Told]
"""Which of the request's prompts it is about, and what was told."""


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class Listening:
    """The jobs of one request, one a prompt, and what was told of them but not yet heard.

    A desk never waits: what nobody fetches stays here, and with more than `buffer` tokens the request is
    ended.
    """

    def __init__(self, buffer: int, *, tokens: bool) -> None:
        """Hear tokens as they come, or only finished texts."""
        self._buffer = buffer
        self._tokens = tokens
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Heard | Exception] = asyncio.Queue()
        self._waiting = 0
        self._running = 0
        self.jobs: list[Job] = []

    async def ask(self, pair: ServedPair, asks: list[Ask]) -> None:
        """Submit all, off the event loop, since long prompts take a while; ApiError when one is refused."""
        try:
            await asyncio.to_thread(self._submit, pair, asks)
        except BaseException as error:
            self.cancel()
            if not isinstance(error, Exception):
                raise
            _note(error)
            raise from_failure(error) from error

    def _submit(self, pair: ServedPair, asks: list[Ask]) -> None:
        put = partial(pair.mailbox.post, self._loop, self._queue)
        for ask in asks:
            self._running += 1
            self.jobs.append(pair.desk.submit(ask, self._teller(len(self.jobs), put)))

    def _teller(self, prompt: int, put: Callable[[Heard | Exception], None]) -> Callable[[Told], None]:
        def tell(told: Told) -> None:
            if isinstance(told, TokenEvent):
                if not self._tokens:
                    return
                self._waiting += 1
                if self._waiting > self._buffer:
                    self._tokens = False
                    self.cancel()
                    put(ApiError(408, SLOW, code="slow_reader"))
                    return
            put((prompt, told))

        return tell

    async def next(self, seconds: float) -> Heard | None:
        """Return what was told next; None when nothing was for so long.

        Raises ApiError for a job that failed, ClientGoneError once the client has gone.
        """
        try:
            async with asyncio.timeout(seconds):
                item = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(item, Exception):
            raise item
        _, told = item
        self._waiting -= isinstance(told, TokenEvent)
        if isinstance(told, Failed):
            _note(told.error)
            raise from_failure(told.error) from told.error
        self._running -= isinstance(told, Finished)
        return item

    @property
    def running(self) -> bool:
        """Whether any job has not ended."""
        return self._running > 0

    def gone(self) -> None:
        """Note that the client has gone: every job ends."""
        self.cancel()
        self._queue.put_nowait(ClientGoneError())

    def cancel(self) -> None:
        """End all jobs; harmless for those that have ended."""
        for job in self.jobs:
            job.cancel()


def _note(error: Exception) -> None:
    """Log a failure of ours or of a plugin: what and where, never the text it was about."""
    if from_failure(error).status_code >= 500:
        log.error("a request failed", exc_info=error)


@asynccontextmanager
async def watched(receive: Callable[[], Awaitable[Any]], listening: Listening) -> AsyncIterator[None]:
    """Cancel the jobs when the client goes away, and in any case when the block is left."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        listening.gone()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
