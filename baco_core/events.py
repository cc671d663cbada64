"""What decoding tells: one event a token, one sample a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baco_core.router import Decision
from baco_core.source import Source

FinishReason = Literal["stop", "length"]

Top = tuple[tuple[Source, tuple[tuple[int, float], ...]], ...]
"""Of each source its likeliest tokens as (id, ln p), likeliest first."""


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """One token and who wrote it.

    `logprob` is ln p of the token under the raw softmax of its source. `decision` is None where the
    current source went on inside a word.
    """

    sample: int
    position: int
    token_id: int
    source: Source
    logprob: float
    text: str
    """What became readable with this token: UTF-8 safe, so a character split over tokens comes with
    its last one."""
    decision: Decision | None = None
    finish_reason: FinishReason | None = None
    """Set on the last event of a sample."""
    top: Top = ()
    """For a trace: what each source would have said."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token and forward-pass counts of one sample; a chunk is one forward pass.

    Passes spent on the prompt are counted with the sample that ran them (the first). What a router
    asks a model aside (`judge` with `member`) is not counted. A pass that reads for several texts, or
    for both sources, counts for each. Where models read ahead at the same time, how many passes that
    takes depends on which was quicker, so passes may differ between runs; nothing else does.
    """

    prompt_tokens: int
    completion_tokens: int
    base_tokens: int
    aligned_tokens: int
    base_forwards: int
    aligned_forwards: int
    drafted: int = 0
    """Tokens that were guessed and read ahead (schedule `speculative`)."""
    accepted: int = 0
    """Guessed tokens that were written."""

    @property
    def base_share(self) -> float:
        """Fraction of tokens the base model wrote; 0 for an empty text."""
        return self.base_tokens / self.completion_tokens if self.completion_tokens else 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished text."""

    index: int
    text: str
    finish_reason: FinishReason
    tokens: tuple[TokenEvent, ...]
    usage: Usage
