"""Work that waits for something outside, done aside while everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def aside(work: Callable[[], T], future: Future[T], name: str) -> None:
    """Begin work in a thread of its own, for a future; the end of the process does not wait for it."""

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)  # raised where the result is asked for

    Thread(target=run, name=name, daemon=True).start()
