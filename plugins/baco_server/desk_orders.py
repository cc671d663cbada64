"""A request on a desk: what was asked, and how far it has got."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from baco_core.events import Sample, Usage
from baco_core.lane import Prefix
from baco_core.pipeline import Pipeline, Reading
from baco_core.samples import Text
from baco_core.schedules import Schedule
from baco_core.scoring import Scoring
from baco_core.source import Source
from baco_server.desk_asks import Ask
from baco_server.desk_told import PromptScores, Told

Tell = Callable[[Told], None]


class Job:
    """A request that a desk has taken on, for whoever asked."""

    def __init__(self, prompt_tokens: int, prefix: Prefix) -> None:
        self.prompt_tokens = prompt_tokens
        """Tokens of the prompt as the aligned model reads it."""
        self.cancelled = False
        """Whether `cancel` was called."""
        self._cached_tokens = 0
        self._prefix: Prefix | None = prefix

    @property
    def cached_tokens(self) -> int:
        """How many of them had been read for an earlier request; known when reading begins, 0 before."""
        prefix = self._prefix
        return self._cached_tokens if prefix is None else prefix.begun

    def cancel(self) -> None:
        """End the request, from any thread: within one chunk, also while its prompt is being read.

        What was read of the prompt stays kept. Nothing more is told but `Finished("cancelled")`; nothing at
        all when the request has ended already.
        """
        self.cancelled = True

    def settle(self) -> None:
        """Hold on to nothing that was read: the request has ended."""
        self._cached_tokens, self._prefix = self.cached_tokens, None


@dataclass(slots=True, eq=False)
class Writing:
    """One text in hand."""

    order: Order
    text: Text
    told_at: float | None = None
    """When its last token was told, in seconds of the monotonic clock."""


@dataclass(slots=True, eq=False)
class Order:
    """The desk's side of a job."""

    ask: Ask
    pipeline: Pipeline
    reading: Reading
    schedule: Schedule
    tell: Tell
    came: float
    """When it was asked, in seconds of the monotonic clock."""
    job: Job = field(init=False)
    begun: int = 0
    """Texts that were begun."""
    scored: bool = True
    """Whether no scores are to be told any more."""
    scoring: Scoring | None = None
    writing: list[Writing] = field(default_factory=list)
    paused: deque[Writing] = field(default_factory=deque)
    first_told: bool = False

    def __post_init__(self) -> None:
        """Note whether scores come first."""
        self.scored = self.ask.score is None
        prompt_tokens = len(self.reading.contexts[Source.ALIGNED])
        self.job = Job(prompt_tokens, self.reading.prefixes[Source.ALIGNED])

    @property
    def texts(self) -> int:
        """How many texts are to be written."""
        return self.pipeline.decode.n if self.ask.write else 0

    @property
    def untouched(self) -> bool:
        """Whether nothing of it was begun."""
        return self.begun == 0 and self.scored == (self.ask.score is None) and self.scoring is None

    @property
    def places(self) -> int:
        """How many places it takes among all texts that are written at once."""
        return len(self.writing) + (self.scoring is not None)

    @property
    def waits(self) -> bool:
        """Whether it could use another place."""
        if not self.scored:
            return self.scoring is None
        return bool(self.paused) or self.begun < self.texts

    @property
    def complete(self) -> bool:
        """Whether all that was asked has been told."""
        return self.scored and self.begun == self.texts and not self.writing and not self.paused

    def is_due(self, now: float) -> bool:
        """Return whether its time is up."""
        return self.ask.deadline is not None and now - self.came >= self.ask.deadline

    def scores(self, scoring: Scoring) -> PromptScores:
        """Return what is told of the prompt."""
        return PromptScores(
            token_ids=tuple(self.reading.contexts[Source.ALIGNED]),
            logprobs=tuple(score.logprob for score in scoring.scores),
            top=tuple(score.top for score in scoring.scores),
        )

    def cut(self) -> list[Sample]:
        """Return every text that has not ended, as it stands; empty where it was not begun."""
        begun = [one.text for one in (*self.writing, *self.paused)]
        drafts = [(one.decoding.draft, one.writer) for one in begun]
        samples = [writer.sample(draft.drafted, draft.accepted) for draft, writer in drafts]
        usage = Usage(self.job.prompt_tokens, 0, 0, 0, 0, 0)
        samples += [Sample(index, "", "length", (), usage) for index in range(self.begun, self.texts)]
        return sorted(samples, key=lambda sample: sample.index)
