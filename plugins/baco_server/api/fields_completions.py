"""What /v1/completions is asked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from baco_server.api.fields import MOST, Asked

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenIdList = Annotated[list[TokenId], Field(fail_fast=True, min_length=1)]
MAX_PROMPTS = 128
MAX_LOGPROBS = 20


class CompletionRequest(Asked):
    """A text to be gone on with, read by both models as it stands."""

    prompt: Annotated[
        str
        | TokenIdList
        | Annotated[list[str], Field(fail_fast=True, min_length=1, max_length=MAX_PROMPTS)]
        | Annotated[list[TokenIdList], Field(fail_fast=True, min_length=1, max_length=MAX_PROMPTS)],
        Field(description="A text, several, or token ids of the aligned model (one prompt, or several)."),
    ]
    max_tokens: Annotated[int | None, Field(ge=0, description=f"{MOST} 0 only with echo.")] = None
    echo: Annotated[bool | None, Field(description="Begin each text with the prompt.")] = None
    logprobs: Annotated[
        int | None,
        Field(ge=0, le=MAX_LOGPROBS, description="Tell each token's logprob and so many likeliest tokens."),
    ] = None
    best_of: Annotated[
        int | None, Field(ge=1, description="Only as many as n: texts are not chosen among.")
    ] = None
    suffix: Annotated[None, Field(description="Not to be had here.")] = None
