"""A stand-in for the server, for states of the page that are hard to provoke with the real one.

It answers in the shape of the API, with texts that a seed and gamma decide. A prompt that begins with one of
`FAULTS` fails in that way.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

FAULTS = ("!busy", "!refused", "!closing", "!cut", "!failed", "!slow", "!mute", "!crash")
OPENINGS = ("Once upon a time, there was", "In a small town by the sea lived", "Nobody had seen", "One day,")
BASE = ("gulls", "moss", "tide", "lantern", "rust", "herring", "salt", "oddly", "crooked", "amber")
ALIGNED = ("a", "little", "girl", "named", "Lily", "was", "very", "happy", "and", "went", "home")


def router(name: str, default: float | None, high: float | None, **options: Any) -> dict[str, Any]:
    """Return a router as `/v1/routers` lists it."""
    gamma = {"description": "Base writes where its top probability is below gamma.", "type": "number"}
    properties = {**({"gamma": gamma} if default is not None else {}), **options}
    return {
        "name": name,
        "description": f"The router {name}, of the stand-in.\n\nMore of it.",
        "options": {"type": "object", "properties": properties, "additionalProperties": False},
        "gamma": None if default is None else {"default": default, "minimum": 0, "maximum": high},
    }


PROBE = {"enum": ["aligned", "base", "either"], "default": "base", "description": "Whose token is looked at."}
WORDS = {"type": "array", "items": {"type": "string"}, "default": [], "description": "Further words."}
WEIGHT = {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5, "description": "Weight of base."}
ROUTERS = [
    router("p", 0.3, 1.5),
    router("p-punc", 0.3, 1.5, probe=PROBE, words=WORDS),
    router("h", 2.0, None),
    router("punc", None, 0, probe=PROBE),
    router("ensemble", None, 0, weight=WEIGHT),
    router("base", None, 0),
]


def words(body: dict[str, Any], index: int) -> list[dict[str, Any]]:
    """Return the tokens of one sample with their authors: the same seed and gamma, the same text."""
    told = body["baco"]
    coin = random.Random(f"{body['seed']}/{index}")  # noqa: S311  (a text, not a secret)
    gamma = float(str(told.get("gamma", 0.5)).lstrip("."))  # infinity is `.inf`
    opening = coin.choice(OPENINGS).split()
    tokens = []
    for position in range(min(body["max_tokens"], 40)):
        signal = coin.random()
        source = "base" if signal < gamma else "aligned"
        pool = opening if position < len(opening) else BASE if source == "base" else ALIGNED
        word = pool[position] if pool is opening else coin.choice(pool)
        end = "." if position % 12 == 11 else ""
        text = f"{' ' if position else ''}{word}{end}"
        tokens.append({"text": text, "baco": why(source, signal, gamma, text, coin)})
    return tokens


def why(source: str, signal: float, gamma: float, text: str, coin: random.Random) -> dict[str, Any]:
    """Return what the trace tells of a token."""
    tops = {}
    for name, pool in (("base", BASE), ("aligned", ALIGNED)):
        likely = [text if name == source else f" {coin.choice(pool)}", *(f" {word}" for word in pool[:4])]
        tops[name] = [
            {"token": token, "logprob": math.log(0.6 / 2**rank)} for rank, token in enumerate(likely)
        ]
    return {"source": source, "signal": signal, "threshold": ".inf" if math.isinf(gamma) else gamma, **tops}


class StandIn:
    """The app, what was asked of it, and how it is to behave."""

    def __init__(self, page: Path) -> None:
        self.key = ""
        self.loading = False
        self.bodies: list[dict[str, Any]] = []
        self.cancelled = 0
        self.pause = 0.004
        self.words: tuple[str, ...] = ()
        """What to write, where it matters."""
        self.busy = 1
        """How many requests `!busy` refuses."""
        routes = [
            Route("/v1/models", self.models),
            Route("/v1/routers", self.routers),
            Route("/v1/completions", self.write, methods=["POST"]),
            Route("/v1/chat/completions", self.write, methods=["POST"]),
            Mount("/", StaticFiles(directory=page, html=True)),
        ]
        self.app = Starlette(routes=routes)

    def refusal(self, request: Request) -> Response | None:
        """Return why a request is not served, if it is not."""
        if self.loading:
            return failed(503, "The models are being loaded.", {"Retry-After": "1"})
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return failed(401, "The API key is missing or wrong.")
        return None

    async def models(self, request: Request) -> Response:
        """List one pair and its views."""
        names = ("tiny", "tiny:base", "tiny:aligned", "tiny@p", "other")
        listing = {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}
        return self.refusal(request) or JSONResponse(listing)

    async def routers(self, request: Request) -> Response:
        """List the routers."""
        return self.refusal(request) or JSONResponse({"object": "list", "data": ROUTERS})

    async def write(self, request: Request) -> Response:
        """Stream texts, or fail as the prompt says."""
        if refused := self.refusal(request):
            return refused
        body = await request.json()
        self.bodies.append(body)
        prompt = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
        if prompt.startswith("!busy") and self.busy:
            self.busy -= 1
            return failed(429, "32 requests wait already.", {"Retry-After": "60"})
        if prompt.startswith("!refused"):
            return failed(400, "max_tokens must be at most 1024, not 5000.", param="max_tokens")
        if prompt.startswith("!closing"):
            return failed(503, "The server is closing.", {"Retry-After": "9"})
        if prompt.startswith("!crash"):
            return Response("<html>no JSON</html>", 502)
        return StreamingResponse(self.stream(body, prompt), media_type="text/event-stream")

    async def stream(self, body: dict[str, Any], prompt: str) -> AsyncIterator[bytes]:
        """Yield events whose borders have nothing to do with those of the chunks on the wire."""
        try:
            async for event in self.events(body, prompt):
                data = event.encode()
                yield data[:7]
                yield data[7:]
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def events(self, body: dict[str, Any], prompt: str) -> AsyncIterator[str]:
        """Yield what is sent, as text."""
        texts = [words(body, index) for index in range(body["n"])]
        for tokens in texts:
            for token, text in zip(tokens, self.words, strict=False):
                token["text"] = text
        yield ": still here\n\n"
        if prompt.startswith("!mute"):
            await asyncio.sleep(3600)
        for position, tokens in enumerate(zip(*texts, strict=True)):
            await asyncio.sleep(0.5 if prompt.startswith("!slow") and position > 8 else self.pause)
            if prompt.startswith("!cut") and position == 10:
                return
            if prompt.startswith("!failed") and position == 10:
                error = {"message": "The desk broke.", "type": "server_error", "param": None, "code": None}
                yield f"event: error\ndata: {json.dumps({'error': error})}\n\n"
                return
            for index, token in enumerate(tokens):
                yield event(body, index, token)
        for index, tokens in enumerate(texts):
            share = sum(token["baco"]["source"] == "base" for token in tokens) / len(tokens)
            yield event(body, index, None, finish="length", baco={"base_share": share})
        usage = {"prompt_tokens": 9, "completion_tokens": sum(map(len, texts))}
        yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"


def event(
    body: dict[str, Any],
    index: int,
    token: dict[str, Any] | None,
    *,
    finish: str | None = None,
    baco: dict[str, Any] | None = None,
) -> str:
    """Return one chunk as an event."""
    choice: dict[str, Any] = {"index": index, "finish_reason": finish}
    if "messages" in body:
        choice["delta"] = {"content": token["text"], "baco": token["baco"]} if token else {}
    else:
        choice |= {"text": token["text"], "baco": token["baco"]} if token else {"text": ""}
    if baco:
        choice["baco"] = baco
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


def failed(
    status: int, message: str, headers: dict[str, str] | None = None, param: str | None = None
) -> JSONResponse:
    """Return an error in the shape of the API."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return JSONResponse({"error": error}, status, headers)
