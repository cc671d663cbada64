"""One timed run: a pipeline writes one prompt, and what that took."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from baco_core.bench.figures import NotMeasured
from baco_core.bench.memory import Resident, resident
from baco_core.events import Sample, TokenEvent, Usage
from baco_core.model import Model
from baco_core.pair import Pair
from baco_core.pipeline import Pipeline, Prompt
from baco_core.source import Source

FEWEST_TOKENS = 2
"""A text of one token has no time between tokens."""


@dataclass(frozen=True, slots=True)
class Text:
    """What was written: ids and who wrote them. Schedules must agree on it."""

    token_ids: tuple[int, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took. Seconds are of the wall clock.

    The decode time begins with the first token, so reading the prompt is no part of it. Forward passes
    are those of the whole run, the prompt's among them.
    """

    samples: int
    tokens: int
    base_tokens: int
    forwards: Mapping[Source, int]
    first_token_seconds: float
    decode_seconds: float
    runtime_seconds: float | NotMeasured
    """Seconds of the decode time that models were inside the runtime, added up over models."""
    drafted: int | NotMeasured
    accepted: int | NotMeasured
    resident: Resident | NotMeasured
    texts: tuple[Text, ...]

    @property
    def timed_tokens(self) -> int:
        """Tokens that were written after the first one of each text."""
        return self.tokens - self.samples

    @property
    def ms_per_token(self) -> float | NotMeasured:
        """Milliseconds between two tokens, over all texts together."""
        rate = self.tokens_per_second
        return rate if isinstance(rate, NotMeasured) else 1000 / rate

    @property
    def tokens_per_second(self) -> float | NotMeasured:
        """Tokens of all texts together in a second of decode time."""
        if self.timed_tokens < 1 or self.decode_seconds <= 0:
            return NotMeasured(f"{self.tokens} tokens in {self.samples} texts are too few to time")
        return self.timed_tokens / self.decode_seconds

    @property
    def base_share(self) -> float | NotMeasured:
        """Fraction of tokens the base model wrote."""
        return self.base_tokens / self.tokens if self.tokens else NotMeasured("nothing was written")

    @property
    def acceptance(self) -> float | NotMeasured:
        """Share of the rows read ahead that were used."""
        if isinstance(self.drafted, NotMeasured) or isinstance(self.accepted, NotMeasured):
            return self.drafted if isinstance(self.drafted, NotMeasured) else NotMeasured("it is not counted")
        return self.accepted / self.drafted if self.drafted else NotMeasured("nothing was read ahead")

    @property
    def outside_share(self) -> float | NotMeasured:
        """Share of the decode time in which no model was inside the runtime.

        The least it can be where a schedule runs both models at the same time: their seconds add up.
        """
        if isinstance(self.runtime_seconds, NotMeasured):
            return self.runtime_seconds
        if self.decode_seconds <= 0:
            return NotMeasured("nothing was written")
        if self.runtime_seconds > self.decode_seconds:
            return NotMeasured("both models worked at the same time, and longer than the text took")
        return 1 - self.runtime_seconds / self.decode_seconds

    def passes_per_token(self, source: Source) -> float | NotMeasured:
        """Forward passes of one model for each token written by anybody."""
        return self.forwards[source] / self.tokens if self.tokens else NotMeasured("nothing was written")


def measure(pipeline: Pipeline, prompt: Prompt) -> Run:
    """Let the pipeline write all its texts and time it; raises what the pipeline raises."""
    gc.collect()  # what the run before left is not this one's to clear away
    watch = _Watch(pipeline.pair)
    samples = [item for item in watch.timed(pipeline.stream(prompt)) if isinstance(item, Sample)]
    usage = [sample.usage for sample in samples]
    return Run(
        samples=len(samples),
        tokens=sum(one.completion_tokens for one in usage),
        base_tokens=sum(one.base_tokens for one in usage),
        forwards={
            Source.BASE: sum(one.base_forwards for one in usage),
            Source.ALIGNED: sum(one.aligned_forwards for one in usage),
        },
        first_token_seconds=watch.first - watch.begin,
        decode_seconds=watch.end - watch.first,
        runtime_seconds=watch.runtime_seconds(),
        drafted=_counted(usage, "drafted"),
        accepted=_counted(usage, "accepted"),
        resident=resident(),
        texts=tuple(map(_text, samples)),
    )


def models_of(pair: Pair) -> list[Model]:
    """Return the models of a pair, each once: two views are one model."""
    return list({id(member.model): member.model for member in pair.members.values()}.values())


class _Watch:
    """Notes when a stream begins, when its first token comes and when it ends."""

    def __init__(self, pair: Pair) -> None:
        self._models = models_of(pair)
        self.begin = self.first = self.end = 0.0
        self._before: list[float | NotMeasured] = []
        self._after: list[float | NotMeasured] = []

    def timed(self, stream: Iterator[TokenEvent | Sample]) -> Iterator[TokenEvent | Sample]:
        """Yield the items of the stream as they come."""
        self.begin = perf_counter()
        for item in stream:
            if not self._before:
                self.first = perf_counter()
                self._before = [_inside(model) for model in self._models]
            yield item
        self.end = perf_counter()
        self._after = [_inside(model) for model in self._models]

    def runtime_seconds(self) -> float | NotMeasured:
        """Return how long the models were inside the runtime between the first token and the end."""
        spent = 0.0
        for before, after in zip(self._before, self._after, strict=True):
            if isinstance(before, NotMeasured) or isinstance(after, NotMeasured):
                return NotMeasured("the backend does not tell how long its runtime worked")
            spent += after - before
        return spent


def _inside(model: Model) -> float | NotMeasured:
    seconds: float | None = getattr(model, "runtime_seconds", None)
    return NotMeasured("the backend does not tell") if seconds is None else seconds


def _counted(usage: Sequence[Usage], name: str) -> int | NotMeasured:
    counts: list[int | None] = [getattr(one, name, None) for one in usage]
    known = [count for count in counts if count is not None]
    return sum(known) if known else NotMeasured("the schedule does not count what it reads ahead")


def _text(sample: Sample) -> Text:
    tokens = sample.tokens
    return Text(tuple(event.token_id for event in tokens), tuple(event.source for event in tokens))
