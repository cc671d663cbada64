"""What answers look like, for the OpenAPI document; the tests hold every answer to it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from baco_server.api.fields import Strict

DESCRIPTIONS = {
    400: "The request is wrong; `param` names the field.",
    401: "The API key is missing or wrong.",
    403: "This server does not let requests set that up.",
    404: "There is no such model.",
    408: "The request did not arrive in time.",
    413: "The body is too long.",
    429: "Too many requests wait already; ask again after Retry-After seconds.",
    500: "Something of ours, or a plugin, failed.",
    503: "Models are loading, or the server closes; ask again after Retry-After seconds.",
}


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str


class ErrorAnswer(BaseModel):
    """Every error looks like this."""

    error: ErrorBody


class Forwards(BaseModel):
    """Forward passes."""

    base: int
    aligned: int


class Shares(BaseModel):
    """Who wrote a text."""

    base_share: Annotated[float, Field(ge=0, le=1, description="Fraction of tokens that the base wrote.")]
    forwards: Forwards


class BacoAnswer(Shares):
    """Who was to decide, and what came of it; of all texts of the answer."""

    router: str
    options: dict[str, Any]
    gamma: Annotated[float | str | None, Field(description="None for a router without; infinity is '.inf'.")]
    seed: int
    schedule: str


class Head(BaseModel):
    """What every answer and every chunk begins with."""

    id: str
    created: int
    model: str
    system_fingerprint: str


class PromptDetails(BaseModel):
    """Of the prompt's tokens."""

    cached_tokens: Annotated[int, Field(ge=0, description="Read for an earlier request already.")]


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class Named(BaseModel):
    """A token and its logprob."""

    token: str
    logprob: float


class Trace(BaseModel):
    """What the router saw before a token, None inside a word, and what both models would have said."""

    signal: float | str | None
    threshold: float | str | None
    reason: str | None
    base: list[Named] = []
    aligned: list[Named] = []


def asks(request: type[Strict], answer: type[BaseModel], chunk: type[BaseModel]) -> dict[str, Any]:
    """Return what a route tells OpenAPI of its body, its answer and its errors."""
    schema = {"$ref": f"#/components/schemas/{request.__name__}"}
    # Without a type: some tools hold the schema against the whole text, others against each event.
    events = {"schema": {"description": f"`data:` lines with {chunk.__name__}, then `[DONE]`."}}
    return {
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}
        },
        "responses": {
            200: {"model": answer, "content": {"text/event-stream": events}, "description": "The texts."},
            **errors(400, 401, 403, 404, 408, 413, 429, 500, 503),
        },
    }


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route."""
    return {status: {"model": ErrorAnswer, "description": DESCRIPTIONS[status]} for status in statuses}
