"""Streams: the same text in pieces, whole characters, usage, keep-alive, an end, and nobody left behind."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from api_world import Api, chat, running, wait_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baco_server.api.documents_chat import ChatCompletionChunk

LONG = "word and " * 150
SLOW = chat(max_tokens=200, stream=True, baco={"router": "slow", "options": {"seconds": 0.05}})


@pytest.fixture(scope="module")
def slow() -> Iterator[Api]:
    """A server that speaks up in every silence, and has little patience with readers."""
    settings = {"keep_alive": 0.1, "stream_buffer": 50, "stall_seconds": 1.0, "read_seconds": 2.0}
    with running(settings, {"tiny": {}}) as api:
        yield api


def events(answer: httpx.Response) -> list[Any]:
    """Return the events of a stream; comments are checked and left out."""
    found = []
    for block in answer.text.split("\n\n"):
        if block.startswith("data: "):
            data = block.removeprefix("data: ")
            found.append(data if data == "[DONE]" else json.loads(data))
        else:
            assert block in ("", ": keep-alive"), block
    return found


def test_a_streamed_text_is_the_whole_one_in_pieces(api: Api) -> None:
    client = api.openai()
    whole = client.chat.completions.create(**chat(max_tokens=16, n=3))
    texts = ["", "", ""]
    reasons: list[Any] = [None] * 3
    for chunk in client.chat.completions.create(**chat(max_tokens=16, n=3), stream=True):
        for choice in chunk.choices:
            assert reasons[choice.index] is None
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason
    assert texts == [choice.message.content for choice in whole.choices]
    assert reasons == [choice.finish_reason for choice in whole.choices]


def test_chunks_are_as_the_document_says_and_end_with_done(api: Api) -> None:
    body = chat(stream=True, stream_options={"include_usage": True}, logprobs=True, top_logprobs=2)
    answer = api.http().post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    *chunks, done = events(answer)
    assert done == "[DONE]"
    checked = [ChatCompletionChunk.model_validate(chunk) for chunk in chunks]
    assert len({chunk.id for chunk in checked}) == 1
    assert checked[0].choices[0].delta.role == "assistant"
    assert [chunk.usage is None for chunk in checked] == [True] * (len(checked) - 1) + [False]
    assert checked[-1].choices == []
    last = checked[-2]
    assert last.choices[0].finish_reason is not None
    assert last.baco is not None
    assert last.baco == last.choices[0].baco
    assert all("usage" in chunk for chunk in chunks)


def test_without_include_usage_no_chunk_tells_it(api: Api) -> None:
    *chunks, _ = events(api.http().post("/v1/chat/completions", json=chat(stream=True)))
    assert all("usage" not in chunk for chunk in chunks)


def test_every_delta_says_whose_it_is(api: Api) -> None:
    body = chat(stream=True, max_tokens=12, baco={"router": "rand", "gamma": 0.5})
    *chunks, _ = events(api.http().post("/v1/chat/completions", json=body))
    sources = [
        chunk["choices"][0]["delta"]["baco"]["source"]
        for chunk in chunks
        if "baco" in chunk["choices"][0]["delta"]
    ]
    share = chunks[-1]["baco"]["base_share"]
    assert len(sources) == 12
    assert sources.count("base") / len(sources) == pytest.approx(share)


@given(
    seed=st.integers(0, 2**32), stop=st.lists(st.sampled_from(["e", " t", "é", "once upon", "."]), max_size=2)
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stop_strings_and_characters_over_any_borders_are_as_in_the_whole_answer(
    api: Api, seed: int, stop: list[str]
) -> None:
    # hot texts of the base hold many split characters
    body = chat(
        model="tiny:base", seed=seed, stop=stop, temperature=4, max_tokens=20, logit_bias={"170": 6, "173": 6}
    )
    http = api.http()
    whole = http.post("/v1/chat/completions", json=body).json()["choices"][0]
    *chunks, _ = events(http.post("/v1/chat/completions", json={**body, "stream": True}))
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(pieces) == whole["message"]["content"]
    assert not any(text in whole["message"]["content"] for text in stop)
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]


def test_a_silence_is_filled_with_comments(slow: Api) -> None:
    body = {**SLOW, "max_tokens": 3, "baco": {"router": "slow", "options": {"seconds": 0.4}}}
    answer = slow.http().post("/v1/chat/completions", json=body)
    assert ": keep-alive" in answer.text
    assert events(answer)[-1] == "[DONE]"


@pytest.mark.parametrize("exits", [False, True])
def test_a_plugin_that_raises_before_the_first_token_is_an_ordinary_error(slow: Api, exits: bool) -> None:
    baco = {"router": "broken", "options": {"exits": exits}}
    for stream in (False, True):
        answer = slow.http().post("/v1/chat/completions", json=chat(stream=stream, baco=baco))
        assert answer.status_code == 500
        error = answer.json()["error"]
        assert error["type"] == "server_error"
        assert "broken" in error["message"]
        assert slow.http().post("/v1/chat/completions", json=chat(max_tokens=2)).status_code == 200


def test_a_plugin_that_raises_in_mid_stream_is_an_error_event_and_the_clients_exception(slow: Api) -> None:
    body = chat(stream=True, max_tokens=30, baco={"router": "broken", "options": {"at": 3}})
    answer = slow.http().post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    last = events(answer)[-1]
    assert last["error"]["code"] == "internal_error"
    assert last["error"]["request_id"] == answer.headers["x-request-id"]
    baco = {"router": "broken", "options": {"at": 3}}
    with pytest.raises(openai.APIError, match="broken"):
        for _ in slow.openai().chat.completions.create(
            **chat(max_tokens=30), stream=True, extra_body={"baco": baco}
        ):
            pass
    assert slow.http().get("/health").status_code == 200


def test_closing_a_stream_ends_the_request(slow: Api) -> None:
    stream = slow.openai().chat.completions.create(
        **{**chat(max_tokens=200), "stream": True}, extra_body={"baco": SLOW["baco"]}
    )
    before = cancelled(slow)
    next(iter(stream))
    stream.close()
    wait_for(lambda: cancelled(slow) > before, 5)
    slow.wait_idle(1)


def cancelled(api: Api) -> int:
    return sum(pair.desk.figures().requests.get("cancelled", 0) for pair in api.serving.pairs.served.values())


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_before_the_first_token_ends_its_request(slow: Api, stream: bool) -> None:
    baco = {"router": "slow", "options": {"seconds": 0.3}}
    body = json.dumps(chat(LONG, max_tokens=100, stream=stream, baco=baco)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    before = cancelled(slow)
    with socket.create_connection(("127.0.0.1", slow.port)) as connection:
        connection.sendall(head + body)
        time.sleep(0.15)
    wait_for(lambda: cancelled(slow) > before, 5)
    slow.wait_idle(1)


def unread(api: Api, **more: Any) -> socket.socket:
    """Return a connection that has asked for much and reads nothing."""
    asked = chat(max_tokens=900, n=8, stream=True, logprobs=True, top_logprobs=20, **more)
    body = json.dumps({**asked, "baco": {"trace": True}}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", api.port))
    before = written(api)
    connection.sendall(head + body)
    wait_for(lambda: written(api) > before)
    return connection


def written(api: Api) -> int:
    return sum(sum(pair.desk.figures().tokens.values()) for pair in api.serving.pairs.served.values())


def test_a_reader_that_stalls_is_dropped_and_others_are_served_meanwhile(slow: Api) -> None:
    before = written(slow)
    with unread(slow):
        answer = slow.openai().chat.completions.create(**chat(max_tokens=4))
        assert answer.choices[0].message.content
        slow.wait_idle(100)
    assert written(slow) - before < 2000


def test_a_reader_that_falls_behind_loses_its_request_and_is_told() -> None:
    with running({"stream_buffer": 20}, {"tiny": {}}) as api, unread(api) as connection:
        api.wait_idle(100)
        assert written(api) < 2000
        received = b""
        while b"\r\n0\r\n" not in received:
            piece = connection.recv(65536)
            assert piece
            received = received[-4096:] + piece
    assert b'"code":"slow_reader"' in received


def test_a_drawn_out_request_ends_at_its_deadline_as_it_is() -> None:
    with running({"request_seconds": 1.0}, {"tiny": {}}) as api:
        answer = api.http().post("/v1/chat/completions", json={**SLOW, "stream": False}).json()
        assert answer["choices"][0]["finish_reason"] == "length"
        assert 0 < answer["usage"]["completion_tokens"] < 200
        *_, last, done = events(api.http().post("/v1/chat/completions", json=SLOW))
        assert done == "[DONE]"
        assert last["choices"][0]["finish_reason"] == "length"


def test_a_shutdown_ends_streams_cleanly() -> None:
    with running({"drain": 0.5}, {"tiny": {}}) as api:
        with api.http().stream("POST", "/v1/chat/completions", json=SLOW) as answer:
            lines = answer.iter_lines()
            next(lines)
            api.serving.stop()
            data = [line for line in lines if line.startswith("data: ")]
        assert data[-1] == "data: [DONE]"
        assert json.loads(data[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "length"


def test_a_shutdown_lets_what_is_in_hand_finish() -> None:
    with running({"drain": 30.0}, {"tiny": {}}) as api:
        body = {**SLOW, "max_tokens": 12, "stream": True}
        with api.http().stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            api.serving.stop()
            chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        written = sum("baco" in chunk["choices"][0]["delta"] for chunk in chunks)
        assert written == 12 or chunks[-1]["choices"][0]["finish_reason"] == "stop"
