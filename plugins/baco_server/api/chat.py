"""/v1/chat/completions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from baco_core.prompts import Message, as_messages, base_lead
from baco_core.source import Source
from baco_server.api.answering_chat import ChatAnswering
from baco_server.api.asking import TRACED
from baco_server.api.body import read
from baco_server.api.documents import asks
from baco_server.api.documents_chat import ChatCompletion, ChatCompletionChunk
from baco_server.api.errors import from_failure, refused
from baco_server.api.fields_chat import ChatMessage, ChatRequest
from baco_server.api.posing import Posed, answer, pose
from baco_server.api.tokens import Names
from baco_server.desk import Ask

routes = APIRouter()


@routes.post(
    "/v1/chat/completions",
    tags=["texts"],
    summary="Answer a conversation",
    **asks(ChatRequest, ChatCompletion, ChatCompletionChunk),
)
async def chat(request: Request) -> Response:
    """Let the pair answer. With `stream` the answer comes as server-sent events, ended by `[DONE]`."""
    asked = await read(request, ChatRequest)
    _check(asked)
    posed = await pose(request, asked, _most(asked), prefix="chatcmpl")
    question = posed.question
    messages = [_message(message) for message in asked.messages]
    if asked.logprobs or (question.trace and not asked.stream):  # deltas of a stream carry the trace
        question.likely = asked.top_logprobs or 0
    top = max(asked.top_logprobs or 0, TRACED if question.trace else 0)
    question.names = _names(posed, messages)
    ask = Ask(messages, question.config, top, posed.server.request_seconds)
    posed.note_prompt([message.content for message in messages])
    return await answer(request, posed, [ask], ChatAnswering(question), stream=bool(asked.stream))


def _check(asked: ChatRequest) -> None:
    both = {asked.max_tokens, asked.max_completion_tokens} - {None}
    if len(both) > 1:
        raise refused("max_tokens and max_completion_tokens differ; give one of them.", "max_tokens")
    if asked.top_logprobs is not None and not asked.logprobs:
        raise refused("top_logprobs: it needs logprobs: true.", "top_logprobs")


def _most(asked: ChatRequest) -> int | None:
    return asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens


def _message(message: ChatMessage) -> Message:
    role: Any = "system" if message.role == "developer" else message.role
    return Message(role, message.text)


def _names(posed: Posed, messages: list[Message]) -> Names:
    """Return what names the tokens; ApiError 400 for turns out of order."""
    pair, config = posed.pair.pipeline.pair, posed.question.config
    try:
        turns = as_messages(messages)
    except Exception as error:
        raise from_failure(error) from error
    return Names(pair, [base_lead(turns, config.prompts, pair.members[Source.BASE].tokenizer)])
