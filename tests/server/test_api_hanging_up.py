"""A client that hangs up while its prompt is read, as HTTP and /metrics tell of it."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator

import made_bundle
import pytest
from api_world import Api, running, wait_for
from desk_world import WatchedModel

from baco_core.lane import CHUNK

CHUNKS = 5
PROMPT = ("a cat sat in the light house " * CHUNK)[: CHUNKS * CHUNK]
"""Read byte by byte."""


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = made_bundle.write_bundle(tmp_path_factory.mktemp("made") / "made")
    pair = {"pair": {"bundle": str(folder)}, "backend": {"use": "made"}}
    with running({"keep_alive": 0.1}, {"made": pair}) as found:
        yield found


def metric(api: Api, name: str, **labels: str) -> float:
    """Return a number that /metrics tells; 0 for one that it does not."""
    shown = "".join(rf'(?=[^}}]*\b{key}="{value}")' for key, value in labels.items())
    found = re.search(rf"^{name}\{{{shown}[^}}]*\}} (\S+)$", api.http().get("/metrics").text, re.M)
    return float(found[1]) if found else 0.0


def body(*, stream: bool) -> dict[str, object]:
    return {"model": "made:aligned", "prompt": PROMPT, "max_tokens": 4, "seed": 1, "stream": stream}


def begun(api: Api, *, stream: bool) -> socket.socket:
    """Return a connection over which a text has been asked for."""
    content = json.dumps(body(stream=stream)).encode()
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(content)
    connection = socket.create_connection(("127.0.0.1", api.port), timeout=30)
    connection.sendall(head + content)
    return connection


def read(api: Api, how: str) -> float:
    return metric(api, "baco_prompt_tokens_total", pair="made", how=how)


@pytest.mark.parametrize("stream", [True, False])
def test_who_hangs_up_while_a_prompt_is_read_ends_it_within_a_chunk_and_leaves_what_was_read(
    api: Api, stream: bool
) -> None:
    (model,) = (one for one in api.pipeline("made").pair.models if getattr(one, "seed", 0) == 2)
    assert isinstance(model, WatchedModel)
    gate = model.gate = threading.Semaphore(1)
    with begun(api, stream=stream) as connection:
        wait_for(lambda: len(model.contexts) == 1, 30)
        if stream:
            assert b": keep-alive" in connection.recv(4096) + connection.recv(4096)
    wait_for(lambda: metric(api, "baco_http_requests_total", route="/v1/completions", status="499"), 30)
    gate.release(1)  # for the chunk that was under way
    wait_for(lambda: metric(api, "baco_requests_total", pair="made", outcome="cancelled") == 1, 30)
    api.wait_idle()
    assert model.contexts == [(0, CHUNK), (CHUNK, CHUNK)]
    assert read(api, "read") == 2 * CHUNK
    gate.release(CHUNKS)
    again = api.http().post("/v1/completions", json=body(stream=False)).json()
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == 2 * CHUNK
    assert read(api, "reused") >= 2 * CHUNK
    assert model.contexts[2:] == [(first * CHUNK, CHUNK) for first in range(2, CHUNKS)]
    model.gate = None
    other = api.http().post("/v1/completions", json=body(stream=False) | {"model": "made@aligned"}).json()
    assert again["choices"][0]["text"] == other["choices"][0]["text"]
