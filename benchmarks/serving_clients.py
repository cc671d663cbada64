"""Clients of the load test: each asks one request after the other, streaming or not, and may hang up."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from random import Random
from threading import Thread
from typing import Any, Literal

from serving_asks import Ask

PATH = "/v1/chat/completions"
Ended = Literal["right", "wrong", "left", "stuck", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request ended, and when: seconds from sending it."""

    ended: Ended
    stream: bool
    whole: float
    first: float | None = None
    """Until the first piece of text of a stream."""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do."""

    host: str
    port: int
    model: str
    asks: Sequence[Ask]
    clients: int
    seconds: float
    leaving: float = 0.0
    """Which share of requests is given up at a random moment."""
    patience: float = 120.0
    """After so many seconds a request counts as stuck."""
    schedule: str | None = None
    seed: int = 0


@dataclass(slots=True)
class Reading:
    """A request on its way."""

    ask: Ask
    stream: bool
    until: float
    began: float = field(default_factory=time.perf_counter)
    first: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds since it was sent."""
        return time.perf_counter() - self.began

    def left(self) -> float:
        """Return how long it may still wait; TimeoutError for no time."""
        left = self.until - self.seconds
        if left <= 0:
            raise TimeoutError
        return left


def work(load: Load) -> list[Outcome]:
    """Let all clients ask until the time is up and their last requests have ended."""
    found: list[Outcome] = []
    end = time.monotonic() + load.seconds
    given = (load, end, found)
    threads = [Thread(target=_client, args=(number, *given), daemon=True) for number in range(load.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _client(number: int, load: Load, end: float, found: list[Outcome]) -> None:
    draw = Random(load.seed * 1000 + number)  # noqa: S311  no secret
    usual = 1.0
    while time.monotonic() < end:
        leaves = draw.random() < load.leaving
        until = draw.uniform(0.0, usual) if leaves else load.patience
        one = _one(load, Reading(draw.choice(load.asks), draw.random() < 0.5, until), leaves=leaves)
        found.append(one)
        if one.ended == "right":
            usual = 0.5 * (usual + one.whole)  # so that most who leave do so midway


def _one(load: Load, reading: Reading, *, leaves: bool) -> Outcome:
    connection = HTTPConnection(load.host, load.port, timeout=load.patience)
    try:
        texts = _texts(connection, reading, load)
    except TimeoutError:
        return Outcome("left" if leaves else "stuck", reading.stream, reading.seconds, reading.first)
    except (OSError, HTTPException, ValueError, KeyError) as error:
        return Outcome("failed", reading.stream, reading.seconds, about=f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    right = tuple(texts) == reading.ask.texts
    about = (
        "" if right else f"{reading.ask.router}, seed {reading.ask.seed}: {texts} are not {reading.ask.texts}"
    )
    return Outcome("right" if right else "wrong", reading.stream, reading.seconds, reading.first, about)


def _texts(connection: HTTPConnection, reading: Reading, load: Load) -> list[str]:
    """Return the texts of a request; TimeoutError when its time is up."""
    connection.connect()
    socket = connection.sock
    body = json.dumps(reading.ask.body(load.model, stream=reading.stream, schedule=load.schedule))
    connection.request("POST", PATH, body, {"content-type": "application/json", "connection": "close"})
    socket.settimeout(reading.left())
    answer = connection.getresponse()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {answer.read()[:300]!r}")
    if not reading.stream:
        return [choice["message"]["content"] for choice in json.loads(answer.read())["choices"]]
    return _streamed(answer, socket, reading)


def _streamed(answer: HTTPResponse, socket: Any, reading: Reading) -> list[str]:
    texts = [""] * reading.ask.n
    for line in answer:
        socket.settimeout(reading.left())
        if not line.startswith(b"data: "):
            continue
        if line == b"data: [DONE]\n":
            return texts
        chunk = json.loads(line[6:])
        for choice in chunk["choices"]:
            piece = choice["delta"].get("content", "")
            texts[choice["index"]] += piece
            if piece and reading.first is None:
                reading.first = reading.seconds
    raise ValueError("the stream broke off")
