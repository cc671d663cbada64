"""What a desk tells the tasks of an event loop, handed over once a turn."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

Letter = tuple[asyncio.Queue[Any], Any]
"""A queue, and what is to be put there."""


class Mailbox:
    """Filled and emptied by the thread of one desk.

    To wake a loop takes a system call, in which the loop may take the interpreter over: once a token that
    cost the desk a fifth of its time, and models waited for it.
    """

    def __init__(self) -> None:
        self._letters: defaultdict[asyncio.AbstractEventLoop, list[Letter]] = defaultdict(list)

    def post(self, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Any], item: object) -> None:
        """Have an item put into a queue of a loop with the next delivery."""
        self._letters[loop].append((queue, item))

    def deliver(self) -> None:
        """Put all items into their queues, on their loops."""
        letters = list(self._letters.items())
        self._letters.clear()
        for loop, some in letters:
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(_put, some)


def _put(letters: Sequence[Letter]) -> None:
    for queue, item in letters:
        queue.put_nowait(item)
