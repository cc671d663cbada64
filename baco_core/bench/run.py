"""One timed run: a pipeline writes one prompt, and what that took."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

from baco_core.bench.figures import NotMeasured
from baco_core.bench.memory import Resident, resident
from baco_core.events import Sample, TokenEvent
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
    runtime_seconds: float
    """Seconds of the decode time that models were inside the runtime, added up over models."""
    drafted: int
    accepted: int
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
        """Share of the guessed tokens that were written."""
        return self.accepted / self.drafted if self.drafted else NotMeasured("nothing was guessed")

    @property
    def outside_share(self) -> float | NotMeasured:
        """Share of the decode time in which no model was inside the runtime.

        The least it can be where a schedule runs both models at the same time: their seconds add up.
        """
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
        drafted=sum(one.drafted for one in usage),
        accepted=sum(one.accepted for one in usage),
        resident=resident(),
        texts=tuple(map(_text, samples)),
    )


class _Watch:
    """Notes when a stream begins, when its first token comes and when it ends."""

    def __init__(self, pair: Pair) -> None:
        self._models = pair.models
        self.begin = self.first = self.end = 0.0
        self._inside = 0.0

    def timed(self, stream: Iterator[TokenEvent | Sample]) -> Iterator[TokenEvent | Sample]:
        """Yield the items of the stream as they come."""
        self.begin = perf_counter()
        for item in stream:
            if not self.first:
                self.first = perf_counter()
                self._inside = self._seconds()
            yield item
        self.end = perf_counter()
        self._inside = self._seconds() - self._inside

    def runtime_seconds(self) -> float:
        """Return how long the models were inside the runtime between the first token and the end."""
        return self._inside

    def _seconds(self) -> float:
        return sum(model.runtime_seconds for model in self._models)


def _text(sample: Sample) -> Text:
    tokens = sample.tokens
    return Text(tuple(event.token_id for event in tokens), tuple(event.source for event in tokens))
