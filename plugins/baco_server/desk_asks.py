"""What is asked of a desk, and how much of it a desk takes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baco_core.config import Config
from baco_core.prompts import Message, TokenIds


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: what to write about, and how.

    `config` holds the router, sampler, decode and prompts of this request; its `pair` and `backend` are
    the desk's. A text to be completed as it stands has `prompts.base` and `prompts.aligned` `plain`.
    """

    prompt: str | Sequence[Message] | TokenIds
    config: Config
    top: int = 0
    """How many likely tokens of each model events carry; 0: none, and no pass is run for it."""
    deadline: float | None = None
    """Seconds from now. Then every text ends with what is there, and its finish reason is `length`."""
    score: int | None = None
    """Tell `PromptScores` first, with so many likely tokens at each position; None: do not."""
    write: bool = True
    """Whether to write texts at all; False for scores alone."""

    def __post_init__(self) -> None:
        """Raise ValueError when nothing is asked for."""
        if not self.write and self.score is None:
            raise ValueError("a request that writes nothing must ask for scores")


@dataclass(frozen=True, slots=True)
class DeskLimits:
    """How much a desk does at once, and how much it lets wait."""

    texts: int = 8
    """Texts that are written at the same time."""
    requests: int = 256
    """Requests that may wait; one more is refused."""
    context_tokens: int = 8192
    """Tokens of contexts that stay in memory for requests that begin alike, of both models together."""

    def __post_init__(self) -> None:
        """Raise ValueError for a limit that would let nothing through."""
        if self.texts < 1 or self.requests < 1 or self.context_tokens < 0:
            raise ValueError("a desk needs texts and requests of 1 or more, and context_tokens of 0 or more")
