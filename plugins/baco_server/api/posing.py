"""From a request to its answer: what both routes do alike."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from baco_core.events import Sample
from baco_server.api.answering import Answering
from baco_server.api.asking import config_of
from baco_server.api.errors import refused
from baco_server.api.fields import Asked
from baco_server.api.listening import watched
from baco_server.api.naming import resolve
from baco_server.api.pairs import ServedPair
from baco_server.api.question import Question
from baco_server.api.state import listening_for, record_of, state_of
from baco_server.api.stream import EventStream
from baco_server.api.tokens import Names
from baco_server.config import ServerConfig
from baco_server.desk import Ask

SEEDS = 2**53
"""Drawn seeds stay below what every JSON reader holds exactly."""


@dataclass(frozen=True, slots=True)
class Posed:
    """A request that was understood."""

    question: Question
    pair: ServedPair
    server: ServerConfig

    def note_prompt(self, texts: Sequence[str]) -> None:
        """Log what was asked, where the config says so."""
        if self.server.log_prompts:
            self.question.record.more["prompt"] = list(texts)

    def note_texts(self, samples: Sequence[Sample]) -> None:
        """Log what was written, where the config says so."""
        if self.server.log_prompts:
            self.question.record.more["texts"] = [sample.text for sample in samples]


async def pose(request: Request, asked: Asked, most: int | None, prefix: str) -> Posed:
    """Return what a request asks; ApiError for what is not served, loads still, or contradicts itself.

    `most` is the number of tokens it names, `prefix` that of the answer's id.
    """
    state = state_of(request)
    if asked.stream_options is not None and not asked.stream:
        raise refused("stream_options: it needs stream: true.", "stream_options")
    named = resolve(asked.model, state.pairs.config, state.pairs.plugins)
    pair = state.pairs.get(named.name)
    seed = secrets.randbelow(SEEDS) if asked.seed is None else asked.seed
    record = record_of(request)
    record.model, record.stream = asked.model, bool(asked.stream)
    question = Question(
        prefix,
        asked.model,
        pair,
        config_of(asked, named, pair, state.server, most, seed),
        Names(pair.pipeline.pair),
        listening_for(state, stream=bool(asked.stream)),
        record,
        state.server.keep_alive,
        trace=bool(asked.baco and asked.baco.trace),
        include_usage=bool(asked.stream_options and asked.stream_options.include_usage),
    )
    return Posed(question, pair, state.server)


async def answer(
    request: Request, posed: Posed, asks: list[Ask], answering: Answering, *, stream: bool
) -> Response:
    """Ask the desk and return the answer; ApiError when it refuses, ClientGoneError when nobody waits."""
    listening = posed.question.listening
    await listening.ask(posed.pair, asks)
    if stream:
        return EventStream(answering.events(), listening)
    async with watched(request.receive, listening):
        content = await answering.whole()
    posed.note_texts(list(answering.samples.values()))
    return Response(content, media_type="application/json")
