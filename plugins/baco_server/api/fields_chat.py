"""What /v1/chat/completions is asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from baco_server.api.fields import MAX_TOP, MOST, Asked, Strict


class TextPart(Strict):
    """A piece of a message; pieces are joined by line breaks."""

    type: Literal["text"]
    text: str


class TextFormat(Strict):
    """The only format there is."""

    type: Literal["text"]


class ChatMessage(Strict):
    """One turn. `developer` is another word for `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        str | Annotated[list[TextPart], Field(fail_fast=True)],
        Field(description="Text, or a list of text parts."),
    ]
    name: Annotated[str | None, Field(description="Ignored: chat templates do not show it.")] = None
    refusal: Annotated[None, Field(description="As answers carry it.")] = None
    tool_calls: Annotated[None, Field(description="Not to be had here.")] = None
    function_call: Annotated[None, Field(description="Not to be had here.")] = None
    audio: Annotated[None, Field(description="Not to be had here.")] = None

    @property
    def text(self) -> str:
        """The turn's text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


class ChatRequest(Asked):
    """A conversation to be answered."""

    messages: Annotated[
        list[ChatMessage],
        Field(
            fail_fast=True,
            min_length=1,
            description="A system message or none, then user and assistant in turn, user last.",
        ),
    ]
    max_tokens: Annotated[int | None, Field(ge=1, description=MOST)] = None
    max_completion_tokens: Annotated[
        int | None, Field(ge=1, description="The same; where both are given they must be equal.")
    ] = None
    logprobs: Annotated[bool | None, Field(description="Tell of each token its logprob and its source.")] = (
        None
    )
    top_logprobs: Annotated[
        int | None,
        Field(ge=0, le=MAX_TOP, description="So many likeliest tokens of who wrote; needs logprobs."),
    ] = None
    response_format: Annotated[TextFormat | None, Field(description="Only text.")] = None
    modalities: Annotated[list[Literal["text"]] | None, Field(description="Only text.")] = None
    tools: Annotated[None, Field(description="Not to be had here.")] = None
    tool_choice: Annotated[None, Field(description="Not to be had here.")] = None
    functions: Annotated[None, Field(description="Not to be had here.")] = None
    function_call: Annotated[None, Field(description="Not to be had here.")] = None
    audio: Annotated[None, Field(description="Not to be had here.")] = None
    prediction: Annotated[None, Field(description="Not to be had here.")] = None
    reasoning_effort: Annotated[None, Field(description="Not to be had here.")] = None
    verbosity: Annotated[None, Field(description="Not to be had here.")] = None
    web_search_options: Annotated[None, Field(description="Not to be had here.")] = None
