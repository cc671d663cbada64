"""/v1/completions."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from baco_core.config import Config
from baco_core.prompts import Message, PromptsConfig, base_lead
from baco_core.source import Source
from baco_server.api.answering_completions import CompletionAnswering
from baco_server.api.asking import TRACED
from baco_server.api.body import read
from baco_server.api.documents import asks
from baco_server.api.documents_completions import Completion
from baco_server.api.errors import refused
from baco_server.api.fields_completions import CompletionRequest
from baco_server.api.posing import Posed, answer, pose
from baco_server.api.tokens import Names
from baco_server.desk import Ask, TokenIds

routes = APIRouter()


@routes.post(
    "/v1/completions",
    tags=["texts"],
    summary="Go on with a text",
    **asks(CompletionRequest, Completion, Completion),
)
async def completions(request: Request) -> Response:
    """Let the pair go on with a text that both models read as it stands, without templates."""
    asked = await read(request, CompletionRequest)
    _check(asked)
    posed = await pose(request, asked, asked.max_tokens or None, prefix="cmpl")
    question = posed.question
    question.config = as_it_stands(question.config)
    told = asked.logprobs is None and question.trace and not asked.stream  # chunks carry the trace
    question.likely = 0 if told else asked.logprobs
    prompts = _prompts(asked, posed)
    texts = [_text(prompt, posed) for prompt in prompts]
    posed.note_prompt(texts)
    question.names = Names(posed.pair.pipeline.pair, [_lead(text, posed) for text in texts])
    echoes = texts if asked.echo else None
    write = asked.max_tokens != 0
    answering = CompletionAnswering(question, echoes, write=write)
    ask_all = [_ask(prompt, asked, posed, write=write) for prompt in prompts]
    return await answer(request, posed, ask_all, answering, stream=bool(asked.stream))


def as_it_stands(config: Config) -> Config:
    """Return the config with prompts that both models read without a template."""
    prompts = PromptsConfig(base="plain", aligned="plain", special_text=config.prompts.special_text)
    return replace(config, prompts=prompts)


def _lead(text: str, posed: Posed) -> bytes:
    base = posed.pair.pipeline.pair.members[Source.BASE].tokenizer
    return base_lead([Message("user", text)], posed.question.config.prompts, base)


def _ask(prompt: str | TokenIds, asked: CompletionRequest, posed: Posed, *, write: bool) -> Ask:
    config = posed.question.config
    top = max(asked.logprobs or 0, TRACED if posed.question.trace else 0)
    score = asked.logprobs if asked.echo else None
    if not write:  # then scores are all there is to ask a desk for, wanted or not
        score = asked.logprobs or 0
    return Ask(prompt, config, top, posed.server.request_seconds, score=score, write=write)


def _check(asked: CompletionRequest) -> None:
    if asked.best_of is not None and asked.best_of != (asked.n or 1):
        raise refused("best_of: texts are not chosen among; it can only be n.", "best_of")
    if asked.max_tokens == 0 and not asked.echo:
        raise refused("max_tokens: 0 needs echo; else there is nothing to answer.", "max_tokens")


def _prompts(asked: CompletionRequest, posed: Posed) -> list[str | TokenIds]:
    """Return the prompts, each a text or token ids that the aligned model has."""
    given = asked.prompt
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [_ids(given, posed)]
    return [one if isinstance(one, str) else _ids(one, posed) for one in given]


def _ids(token_ids: list[int], posed: Posed) -> TokenIds:
    size = posed.pair.pipeline.pair.vocabularies[Source.ALIGNED].size
    beyond = next((number for number in token_ids if number >= size), None)
    if beyond is not None:
        raise refused(f"prompt: there is no token {beyond}; the last is {size - 1}.", "prompt")
    return TokenIds(tuple(token_ids))


def _text(prompt: str | TokenIds, posed: Posed) -> str:
    if isinstance(prompt, str):
        return prompt
    return posed.pair.pipeline.pair.vocabularies[Source.ALIGNED].text_of(prompt.token_ids)
