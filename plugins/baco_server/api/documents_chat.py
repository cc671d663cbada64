"""What /v1/chat/completions answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from baco_server.api.documents import BacoAnswer, Head, Shares, Trace, Usage

Reason = Literal["stop", "length"]
Who = Literal["base", "aligned"]


class LikelyToken(BaseModel):
    """A token that might have been."""

    token: str
    logprob: float
    bytes: list[int] | None


class WrittenToken(LikelyToken):
    """A token that was written. Special ones, such as the end, have no bytes."""

    top_logprobs: list[LikelyToken]
    source: Who
    baco: Trace | None = None


class ChatLogprobs(BaseModel):
    """The tokens of a text."""

    content: list[WrittenToken]
    refusal: None = None


class AnsweredMessage(BaseModel):
    """A text."""

    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(BaseModel):
    """One of n."""

    index: int
    message: AnsweredMessage
    logprobs: ChatLogprobs | None
    finish_reason: Reason
    baco: Shares


class ChatCompletion(Head):
    """A whole answer."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage
    baco: BacoAnswer


class DeltaSource(Trace):
    """Who wrote a delta; with baco.trace what the router saw as well."""

    source: Who
    token_id: int
    signal: float | str | None = None
    threshold: float | str | None = None
    reason: str | None = None


class Delta(BaseModel):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    baco: DeltaSource | None = None


class ChunkChoice(BaseModel):
    """One of n, in part."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: Reason | None
    baco: BacoAnswer | None = None


class ChatCompletionChunk(Head):
    """A part of a streamed answer."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice]
    usage: Usage | None = None
    baco: BacoAnswer | None = None
