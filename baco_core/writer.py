"""From steps to what a reader gets: events with UTF-8-safe text, then the finished sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baco_core.decode import Lanes, Step
from baco_core.events import FinishReason, Sample, TokenEvent, Top, Usage
from baco_core.pick import log_softmax_at
from baco_core.rows import Logits
from baco_core.source import Source
from baco_core.stream import TextStream


class Writer:
    """Writes one sample: `write` every step, then take the `sample`."""

    def __init__(
        self, index: int, lanes: Lanes, stop: Sequence[str], prompt_tokens: int, trace: int = 0
    ) -> None:
        """Write sample `index`; `trace` is how many likely tokens of each model an event carries."""
        self._index = index
        self._lanes = lanes
        self._stream = TextStream(stop)
        self._prompt_tokens = prompt_tokens
        self._trace = trace
        self._tokens: list[TokenEvent] = []

    def write(self, step: Step) -> TokenEvent:
        """Return the event of one step; it has a finish reason when the text ends with it."""
        event = self._event(step)
        self._tokens.append(event)
        return event

    def sample(self, drafted: int = 0, accepted: int = 0) -> Sample:
        """Return the text as it stands.

        Of a text that is ended early, so without a finish reason, what was held back belongs to it.
        """
        reason = self._tokens[-1].finish_reason if self._tokens else None
        held = "" if reason else self._stream.close()
        return Sample(
            index=self._index,
            text="".join(event.text for event in self._tokens) + held,
            finish_reason=reason or "length",
            tokens=tuple(self._tokens),
            usage=self._usage(drafted, accepted),
        )

    def _event(self, step: Step) -> TokenEvent:
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
            top=self._top(step),
        )

    def _finish_reason(self, step: Step) -> FinishReason | None:
        if step.ended or self._stream.stopped:
            return "stop"
        return "length" if step.full else None

    def _top(self, step: Step) -> Top:
        if not self._trace:
            return ()
        return tuple((source, top_tokens(row, self._trace)) for source, row in step.rows.items())

    def _usage(self, drafted: int, accepted: int) -> Usage:
        base = sum(event.source is Source.BASE for event in self._tokens)
        return Usage(
            prompt_tokens=self._prompt_tokens,
            completion_tokens=len(self._tokens),
            base_tokens=base,
            aligned_tokens=len(self._tokens) - base,
            base_forwards=self._lanes[Source.BASE].forwards,
            aligned_forwards=self._lanes[Source.ALIGNED].forwards,
            drafted=drafted,
            accepted=accepted,
        )


def top_tokens(row: Logits, count: int) -> tuple[tuple[int, float], ...]:
    """Return the `count` likeliest tokens of a row as (id, ln p), likeliest first."""
    ids = np.argpartition(row, -count)[-count:] if count < row.size else np.arange(row.size)
    ids = ids[np.argsort(-row[ids], kind="stable")]
    return tuple(zip(ids.tolist(), log_softmax_at(row, ids.tolist()).tolist(), strict=True))
