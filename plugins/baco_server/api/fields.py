"""Fields that both ways of asking share.

The rule for fields: one that we know does what it says, or is refused; `Ignored` lists the few that are
taken and change nothing, `Refused` those of OpenAI's that would change the answer and cannot be had here,
of which only null is taken. Any other field is refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from baco_core.config import MAX_SEED

MAX_TOP = 20
MOST = "The most tokens of one text; left out, the pair's own, or as many as the context has room for."
Infinite = Literal[".inf", "-.inf"]
Bias = Annotated[float, Field(ge=-100, le=100)]


class Strict(BaseModel):
    """What comes in as JSON: no unknown fields, no guessing of types, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class BacoField(Strict):
    """What only BACo has: who writes which word."""

    router: Annotated[
        str | None, Field(description="A router of /v1/routers; the pair's own where left out.")
    ] = None
    gamma: Annotated[
        float | Infinite | None, Field(description="The router's gamma; infinity is written '.inf'.")
    ] = None
    options: Annotated[
        dict[str, Any] | None, Field(description="Options of the router, as its schema in /v1/routers says.")
    ] = None
    schedule: Annotated[
        Literal["auto", "plain", "lazy", "speculative"] | None,
        Field(description="How forward passes are arranged; it never changes the text."),
    ] = None
    switch_at: Annotated[
        Literal["word", "token"] | None,
        Field(description="Where the writer may change; 'token' needs one vocabulary."),
    ] = None
    trace: Annotated[
        bool | None,
        Field(description="Tell of each token what the router saw and both models' five likeliest tokens."),
    ] = None


class StreamOptions(Strict):
    """What a stream brings along."""

    include_usage: Annotated[
        bool | None, Field(description="Send a last chunk with token counts and no choices.")
    ] = None
    include_obfuscation: Annotated[bool | None, Field(description="Taken; nothing is padded.")] = None


class Ignored(Strict):
    """Fields that are taken and change nothing."""

    user: Annotated[str | None, Field(description="Ignored.")] = None
    metadata: Annotated[dict[str, str] | None, Field(description="Ignored.")] = None
    store: Annotated[bool | None, Field(description="Ignored: nothing is kept.")] = None
    service_tier: Annotated[str | None, Field(description="Ignored.")] = None
    safety_identifier: Annotated[str | None, Field(description="Ignored.")] = None
    prompt_cache_key: Annotated[
        str | None, Field(description="Ignored: prompts that begin alike share what was read.")
    ] = None
    parallel_tool_calls: Annotated[bool | None, Field(description="Ignored: there are no tools.")] = None


class Asked(Ignored):
    """What /v1/chat/completions and /v1/completions have in common."""

    model: Annotated[
        str,
        Field(description="NAME, NAME:base, NAME:aligned or NAME@ROUTER; see /v1/models.", max_length=300),
    ]
    baco: Annotated[BacoField | None, Field(description="Who writes which word.")] = None
    n: Annotated[int | None, Field(ge=1, description="How many texts; each is another one.")] = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            le=MAX_SEED,
            description="Same request and seed, same texts. Left out, one is drawn and told as `baco.seed`.",
        ),
    ] = None
    stop: Annotated[
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(fail_fast=True)]
        | None,
        Field(description="Texts that end the text; they are not part of it. Any number of them."),
    ] = None
    stream: Annotated[bool | None, Field(description="Send the text as it is written.")] = None
    stream_options: Annotated[StreamOptions | None, Field(description="Only with stream.")] = None
    temperature: Annotated[
        float | None, Field(ge=0, le=100, description="0 is greedy; else the pair's own where left out.")
    ] = None
    top_p: Annotated[
        float | None, Field(ge=0, le=1, description="Keep the fewest likeliest tokens with this mass.")
    ] = None
    top_k: Annotated[
        int | None, Field(ge=-1, le=2**31, description="Keep so many likeliest tokens; 0 and -1 keep all.")
    ] = None
    min_p: Annotated[
        float | None, Field(ge=0, le=1, description="Keep tokens of at least this fraction of the top one.")
    ] = None
    presence_penalty: Annotated[
        float | None, Field(ge=-2, le=2, description="Taken off the logits of tokens already written.")
    ] = None
    frequency_penalty: Annotated[
        float | None, Field(ge=-2, le=2, description="Taken off once for each time a token was written.")
    ] = None
    repetition_penalty: Annotated[
        float | None,
        Field(ge=0.01, le=100, description="Shrinks logits of tokens already written; 1 is off."),
    ] = None
    logit_bias: Annotated[
        dict[Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,8})$")], Bias] | None,
        Field(
            description="Added to the logits of token ids, in both models. With two vocabularies only where "
            "one model writes alone (NAME:base, NAME:aligned), with that model's ids."
        ),
    ] = None
