"""From steps to what a reader gets: events with UTF-8-safe text, then the finished sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from baco_core.decode import Lanes, Step
from baco_core.events import FinishReason, Sample, TokenEvent, Top, Usage
from baco_core.pick import log_softmax_at
from baco_core.rows import Logits
from baco_core.source import Source
from baco_core.stream import TextStream


class Writer:
    """Writes one sample. Iterate over `events`; then `sample` is the finished text."""

    def __init__(self, index: int, lanes: Lanes, stop: Sequence[str]) -> None:
        self._index = index
        self._lanes = lanes
        self._stream = TextStream(stop)
        self._tokens: list[TokenEvent] = []

    def events(
        self, steps: Iterator[Step], prompt_tokens: int, trace: int = 0
    ) -> Iterator[TokenEvent | Sample]:
        """Yield an event a token and the sample last; stops reading `steps` at a stop string.

        `trace` is how many likely tokens of each model an event carries; it makes both models run.
        """
        while True:
            top = self._top(trace)
            step = next(steps, None)
            if step is None:
                break
            event = self._event(step, top)
            self._tokens.append(event)
            yield event
            if event.finish_reason is not None:
                break
        yield self._sample(prompt_tokens)

    def _event(self, step: Step, top: Top) -> TokenEvent:
        text = self._stream.push(step.data)
        reason = self._finish_reason(step)
        return TokenEvent(
            sample=self._index,
            position=step.position,
            token_id=step.token_id,
            source=step.source,
            logprob=float(log_softmax_at(step.row, [step.token_id])[0]),
            text=text + (self._stream.close() if reason else ""),
            decision=step.decision,
            finish_reason=reason,
            top=top,
        )

    def _finish_reason(self, step: Step) -> FinishReason | None:
        if step.ended or self._stream.stopped:
            return "stop"
        return "length" if step.full else None

    def _top(self, count: int) -> Top:
        if not count:
            return ()
        return tuple((source, top_tokens(lane.row(), count)) for source, lane in self._lanes.items())

    def _sample(self, prompt_tokens: int) -> Sample:
        return Sample(
            index=self._index,
            text="".join(event.text for event in self._tokens),
            finish_reason=self._tokens[-1].finish_reason or "length",
            tokens=tuple(self._tokens),
            usage=self._usage(prompt_tokens),
        )

    def _usage(self, prompt_tokens: int) -> Usage:
        base = sum(event.source is Source.BASE for event in self._tokens)
        return Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=len(self._tokens),
            base_tokens=base,
            aligned_tokens=len(self._tokens) - base,
            base_forwards=self._lanes[Source.BASE].forwards,
            aligned_forwards=self._lanes[Source.ALIGNED].forwards,
        )


def top_tokens(row: Logits, count: int) -> tuple[tuple[int, float], ...]:
    """Return the `count` likeliest tokens of a row as (id, ln p), likeliest first."""
    ids = np.argpartition(row, -count)[-count:] if count < row.size else np.arange(row.size)
    ids = ids[np.argsort(-row[ids], kind="stable")]
    return tuple(zip(ids.tolist(), log_softmax_at(row, ids.tolist()).tolist(), strict=True))
