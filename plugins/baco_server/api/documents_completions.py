"""What /v1/completions answers, whole or in parts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from baco_server.api.documents import BacoAnswer, Head, Shares, Trace, Usage
from baco_server.api.documents_chat import DeltaSource, Reason, Who


class CompletionLogprobs(BaseModel):
    """The tokens of a text, with echo those of the prompt first."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]
    sources: list[Who | None]
    baco: list[Trace | None] | None = None


class CompletionChoice(BaseModel):
    """One of n for each prompt."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Reason | None
    baco: BacoAnswer | DeltaSource | Shares | None = None


class Completion(Head):
    """An answer, or a part of a streamed one."""

    object: Literal["text_completion"]
    choices: list[CompletionChoice]
    usage: Usage | None = None
    baco: BacoAnswer | None = None
