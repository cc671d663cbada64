"""What a desk tells of a request, in this order: scores, events and samples, then how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baco_core.errors import BacoError
from baco_core.events import Sample, TokenEvent

Ended = Literal["done", "cancelled", "deadline", "closed"]


@dataclass(frozen=True, slots=True)
class PromptScores:
    """What the aligned model thinks of the prompt's tokens, told once and first.

    Item i of each tuple is about token i of the prompt. The first has no log-probability: None.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float | None, ...]
    """ln p of each token after those before it."""
    top: tuple[tuple[tuple[int, float], ...], ...]
    """The likeliest tokens there as (id, ln p), likeliest first; as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The last that is told of a request that could not be finished."""

    error: Exception
    """A BacoError names the culprit in one line; anything else is our own fault."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last that is told of all other requests.

    `done`: every text was told to its end. `deadline` and `closed`: as well, but some were cut: their
    finish reason is `length`, and `Sample.text` may go on behind what the events told, since a piece
    that could have begun a stop string was held back. `cancelled`: what was not told will not be.
    """

    ended: Ended = "done"


Told = TokenEvent | Sample | PromptScores | Failed | Finished


class QueueFullError(BacoError):
    """So many requests wait already that another is refused; `retry_after` is a guess in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClosingError(BacoError):
    """The desk takes no more requests: it is closing, or was closed."""
