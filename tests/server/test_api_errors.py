"""What is refused, how, and that nothing a client sends brings the server down."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import openai
import pytest
from api_world import Api, chat, running, wait_for

from baco_core.source import Source
from baco_server.api.documents import ErrorAnswer
from baco_server.edge.keys import Keys

KEY = "a-key-of-the-tests"


@pytest.fixture(scope="module")
def small() -> Iterator[Api]:
    """A server with little room, little patience, and a key."""
    settings = {
        "max_body": 20_000,
        "read_seconds": 1.0,
        "queue": 1,
        "texts": 1,
        "max_n": 2,
        "max_new_tokens": 64,
        "api_keys_env": "KEYS_OF_THE_TESTS",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYS_OF_THE_TESTS", f"another-key {KEY}")
        with running(settings, {"tiny": {}}) as api:
            api.key = KEY
            yield api


def _turns(count: int) -> list[dict[str, str]]:
    return [{"role": role, "content": "x"} for role in ("assistant", "user")] * (count // 2)


def post(api: Api, body: Any, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    return api.http().post(path, json=body, **more)


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Return an error that has the shape of all errors."""
    assert answer.status_code == status, answer.text
    error = ErrorAnswer.model_validate(answer.json()).error
    assert error.request_id == answer.headers["x-request-id"]
    assert "\n" not in error.message
    return error.model_dump()


@pytest.mark.parametrize(
    ("fields", "param", "part"),
    [
        ({"temprature": 1}, "temprature", "Did you mean 'temperature'?"),
        ({"baco": {"gama": 1}}, "baco.gama", "Did you mean 'gamma'?"),
        ({"baco": {"options": {"gama": 1}}}, "baco.options", "Did you mean 'gamma'?"),
        ({"baco": {"router": "p-pnuc"}}, "baco.router", "Did you mean 'p-punc'?"),
        ({"baco": {"router": "punc", "gamma": 1}}, "baco.gamma", "has no gamma"),
        ({"baco": {"gamma": -1}}, "baco.options.gamma", ">= 0"),
        ({"baco": {"options": {"gamma": 10**30}}}, "baco.options.gamma", "too large"),
        ({"model": "tiny@p", "baco": {"router": "h"}}, "baco.router", "is router 'p' already"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"temperature": "1"}, "temperature", "valid number"),
        ({"n": 0}, "n", "greater than or equal to 1"),
        ({"n": 10**6}, "n", "at most 128"),
        ({"n": 10**4000}, "n", "at most 128"),
        ({"max_tokens": 10**4000}, "max_tokens", "at most 4096"),
        ({"baco": {"router": ""}}, "baco.router", "''"),
        ({"logit_bias": {"5": 1, "05": 2}}, "logit_bias.05", "pattern"),
        ({"stop": {}}, "stop", "valid string"),
        ({"baco": {"router": "fc", "options": {"words": ["a"] * 10_001}}}, "baco.options.words", "at most"),
        ({"max_tokens": 10**6}, "max_tokens", "at most 4096"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"seed": 2**64}, "seed", "less than or equal"),
        ({"stop": [""]}, "stop[0]", "at least 1 character"),
        ({"stop": ["a", 5]}, "stop[1]", "valid string"),
        ({"top_logprobs": 3}, "top_logprobs", "needs logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"logit_bias": {"99999": 1}}, "logit_bias", "no token 99999"),
        ({"logit_bias": {"x": 1}}, "logit_bias.x", "pattern"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5", "less than or equal to 100"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "needs stream"),
        ({"tools": []}, "tools", "cannot be had here"),
        ({"response_format": {"type": "json_object"}}, "response_format.type", "'text'"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": "hello"}, "messages", "valid list"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "'user'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
            "text",
        ),
        ({"messages": [{"role": "user", "content": "  "}]}, None, "is empty"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, None, "is due"),
    ],
)
def test_a_wrong_field_is_named_with_the_way_out(
    api: Api, fields: dict[str, Any], param: str | None, part: str
) -> None:
    error = error_of(post(api, chat() | fields), 400)
    assert error["param"] == param
    assert part in error["message"]
    assert error["type"] == "invalid_request_error"


MEGABYTES = 3_900_000


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/chat/completions", chat("x " * (MEGABYTES // 2))),
        ("/v1/chat/completions", chat("é" * (MEGABYTES // 2), max_tokens=None)),
        ("/v1/chat/completions", chat(messages=chat("Hi.")["messages"] + _turns(40_000))),
        ("/v1/completions", {"model": "tiny", "prompt": "x " * (MEGABYTES // 2)}),
        ("/v1/completions", {"model": "tiny", "prompt": ["x " * 15_000] * 120}),
    ],
    ids=["words", "characters", "turns", "prompt", "prompts"],
)
def test_megabytes_of_prompt_are_refused_before_they_are_encoded(
    api: Api, path: str, fields: dict[str, Any]
) -> None:
    """Encoding them would take ten seconds and more than a gigabyte, and nobody would be answered."""
    began = time.monotonic()
    error = error_of(api.http().post(path, json=fields), 400)
    assert time.monotonic() - began < 4
    assert error["code"] == "context_length_exceeded"
    assert error["message"].endswith("and its context is 1024; shorten the prompt.")


def test_of_a_key_that_stands_twice_the_last_counts(api: Api) -> None:
    whole = json.dumps(chat(max_tokens=3))
    twice = '{"max_tokens": 5, "model": "nobody", ' + whole[1:]
    answers = [api.http().post("/v1/chat/completions", content=body) for body in (whole, twice)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["choices"] == answers[1].json()["choices"]


def test_what_nobody_has_foreseen_is_an_error_in_the_same_shape(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baco_server.api.models._json", lambda data: 1 / 0)
    error = error_of(api.http().get("/v1/models"), 500)
    assert error["code"] == "internal_error"
    assert "zero" not in error["message"]


def test_a_missing_field_is_named(api: Api) -> None:
    assert error_of(post(api, {"model": "tiny"}), 400)["param"] == "messages"
    assert error_of(post(api, {"messages": chat()["messages"]}), 400)["param"] == "model"


def test_a_prompt_that_does_not_fit_is_refused_before_any_work(api: Api) -> None:
    before = api.serving.pairs.served["tiny"].desk.figures().prompt_tokens_read
    error = error_of(post(api, chat("word " * 2000)), 400)
    assert error["code"] == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as caught:
        api.openai().completions.create(model="tiny", prompt="word " * 2000, stream=True)
    assert caught.value.code == "context_length_exceeded"
    error = error_of(post(api, chat("word " * 2000, max_tokens=None)), 400)
    assert error["code"] == "context_length_exceeded"
    assert api.serving.pairs.served["tiny"].desk.figures().prompt_tokens_read == before


FEW = 5


def long_chat(api: Api) -> dict[str, Any]:
    """Return a chat that leaves room for a few tokens."""
    contexts = api.pipeline().read("cat " * 100).contexts
    text = "cat " * (100 + int(api.pipeline().pair.room(contexts)) - FEW)  # a word is a token
    return chat(text, max_tokens=None) | {"room": FEW}


def long_completion(api: Api) -> dict[str, Any]:
    tokens = api.pipeline().pair.members[Source.ALIGNED].tokenizer.encode_context("the cat and " * 1024)
    return {"model": "tiny", "prompt": tokens[: 1024 - FEW], "seed": 1, "room": FEW}


@pytest.mark.parametrize("long", [long_chat, long_completion])
def test_only_a_number_of_tokens_that_was_asked_for_must_fit(
    api: Api, long: Callable[[Api], dict[str, Any]]
) -> None:
    body = long(api)
    room = body.pop("room")
    path = "/v1/completions" if "prompt" in body else "/v1/chat/completions"
    answer = post(api, body | {"n": 2}, path)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] == 2 * room
    assert {choice["finish_reason"] for choice in answer.json()["choices"]} == {"length"}
    assert post(api, body | {"max_tokens": room}, path).status_code == 200
    error = error_of(post(api, body | {"max_tokens": room + 1}, path), 400)
    assert error["code"] == "context_length_exceeded"
    assert "lower max_tokens" in error["message"]


@pytest.mark.parametrize(
    "model", ["tony", "tiny:both", "tiny@nobody", "tiny@judge", "", "calm:tiny", "tiny:base@p"]
)
def test_an_unknown_model_is_404(api: Api, model: str) -> None:
    error = error_of(post(api, chat(model=model)), 404)
    assert error["code"] == "model_not_found"
    assert error["param"] == "model"


def test_a_router_that_asks_other_hosts_can_not_be_set_up_by_a_request(api: Api) -> None:
    judge = {"use": "judge", "options": {"endpoint": "http://127.0.0.1:9/v1", "model": "x"}}
    for baco in (
        {"router": "judge", "options": judge["options"]},
        {"router": "chain", "options": {"routers": [judge, {"use": "p"}]}},
        {"router": "chain", "options": {"routers": [{"use": "chain", "options": {"routers": [judge]}}]}},
    ):
        assert error_of(post(api, chat(baco=baco)), 403)["param"] == "baco.router"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b'{"model": "tiny", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "tiny", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "tiny", "temperature": NaN}',
        b'{"model": "tiny", "temperature": 1e999, "messages": [{"role": "user", "content": "x"}]}',
        b'{"model": "tiny", "seed": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"baco": {"options": ' + b'{"a": ' * 1000 + b"1" + b"}" * 1000 + b"}}",
        b"{" + b", ".join(b'"k%d": 1' % number for number in range(20_000)) + b"}",
        b"\x00\x01\x02",
    ],
)
def test_a_body_that_is_no_request_is_400(api: Api, body: bytes) -> None:
    for path in ("/v1/chat/completions", "/v1/completions"):
        answer = api.http().post(path, content=body, headers={"content-type": "application/json"})
        error_of(answer, 400)


def test_options_nested_as_deep_as_json_may_be_are_refused_in_time(api: Api) -> None:
    options = b'{"routers": ' + b"[" * 180 + b"]" * 180 + b"}"
    body = b'{"model": "tiny", "messages": [{"role": "user", "content": "x"}], "baco": {"router": "chain", '
    error_of(api.http().post("/v1/chat/completions", content=body + b'"options": ' + options + b"}}"), 400)


def test_a_hundred_thousand_stop_strings_do_no_harm(api: Api) -> None:
    stop = [f"no such text {number}" for number in range(100_000)]
    began = time.monotonic()
    many = post(api, chat(stop=stop))
    assert time.monotonic() - began < 20
    assert many.json()["choices"][0]["message"] == post(api, chat()).json()["choices"][0]["message"]


def test_a_body_of_ten_megabytes_is_413(api: Api) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        api.openai().chat.completions.create(**chat("x" * 10_000_000))
    assert caught.value.status_code == 413


def test_a_long_body_in_chunks_is_413_too(small: Api) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 1000

    answer = small.http().post("/v1/chat/completions", content=pieces())
    assert "content-length" not in answer.request.headers
    assert error_of(answer, 413)["code"] == "request_too_large"


def test_a_body_that_trickles_is_408(small: Api) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"{"
        time.sleep(2.5)

    answer = small.http().post("/v1/chat/completions", content=pieces())
    assert error_of(answer, 408)["code"] == "request_timeout"


def test_paths_and_methods_that_do_not_exist_have_the_same_shape(api: Api) -> None:
    http = api.http()
    assert error_of(http.get("/v1/nothing"), 404)["code"] == "not_found"
    assert error_of(http.get("/v1/chat/completions"), 405)["code"] == "method_not_allowed"
    assert error_of(http.delete("/v1/models"), 405)
    assert error_of(http.post("/"), 405)
    for path in ("/v1/embeddings", "/v1/responses", "/v1/chat/completions/x"):
        assert error_of(http.post(path), 404)["code"] == "not_found"


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong-key", "Bearer", "Basic x", f"Bearer {KEY}x", "Bearer \xff"]
)
def test_without_a_right_key_nothing_under_v1_answers(small: Api, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    with httpx.Client(base_url=small.url, trust_env=False) as http:
        for method, path in (("GET", "/v1/models"), ("GET", "/v1/routers"), ("POST", "/v1/chat/completions")):
            answer = http.request(method, path, headers=headers)
            assert error_of(answer, 401)["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/health", "/metrics", "/version", "/docs", "/openapi.json"):
            assert http.get(path, headers=headers).status_code == 200


def test_with_a_right_key_the_client_is_answered(small: Api) -> None:
    assert small.openai().chat.completions.create(**chat()).choices
    small.key = "another-key"
    assert small.openai().models.list()
    small.key = KEY
    wrong = openai.OpenAI(base_url=f"{small.url}/v1", api_key="wrong-key", max_retries=0)
    with wrong, pytest.raises(openai.AuthenticationError):
        wrong.models.list()


def test_every_key_is_compared_whatever_the_others_say(monkeypatch: pytest.MonkeyPatch) -> None:
    import hmac

    compared = []
    whole = hmac.compare_digest
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append(b) or whole(a, b))
    keys = Keys.of(["first-key", "second-key", "third-key"])
    assert keys.allow(b"first-key")
    assert len(compared) == 3


def test_a_full_queue_is_429_with_a_time_to_wait(small: Api) -> None:
    baco = {"router": "slow", "options": {"seconds": 0.3}}
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(small, chat(max_tokens=8, baco=baco))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert statuses[-1] == 429
    for answer in answers:
        if answer.status_code == 429:
            assert error_of(answer, 429)["code"] == "queue_full"
            assert int(answer.headers["retry-after"]) >= 1
    small.wait_idle()


def test_limits_of_a_server_are_told(small: Api) -> None:
    assert "at most 2" in error_of(post(small, chat(n=3)), 400)["message"]
    assert "at most 64" in error_of(post(small, chat(max_tokens=65)), 400)["message"]


def raw(api: Api, data: bytes, seconds: float = 10.0) -> bytes:
    """Send bytes and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=seconds) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def test_a_flood_of_headers_is_refused(small: Api) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    flood = b"".join(b"X-Header-%d: %s\r\n" % (number, b"y" * 60) for number in range(2000))
    with suppress(ConnectionResetError):  # it may hang up before all has been sent
        assert raw(small, head + flood).startswith(b"HTTP/1.1 400")
    assert small.http().get("/health").status_code == 200


@pytest.mark.parametrize("header", [b"X-H: y\r\n", b"a:\r\n", b"Authorization: Bearer x\r\n"])
def test_ten_thousand_headers_are_refused_without_harm(small: Api, header: bytes) -> None:
    end = b"Connection: close\r\n\r\n"
    flood = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n" + header * 10_000 + end
    began = time.monotonic()
    try:
        head, _, body = raw(small, flood).partition(b"\r\n\r\n")
    except ConnectionResetError:  # it hung up before all had been sent
        assert len(flood) > 64 * 1024
    else:
        assert head.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))  # for their number, or for their bytes
        ErrorAnswer.model_validate_json(body)
    assert time.monotonic() - began < 2
    assert small.http().get("/health").status_code == 200


def test_as_many_headers_as_anybody_needs_are_taken(small: Api) -> None:
    headers = {f"x-header-{number}": "y" for number in range(150)}
    assert small.http().get("/v1/models", headers=headers).status_code == 200


def test_a_connection_that_never_finishes_its_headers_is_closed(small: Api) -> None:
    for data in (b"", b"GET /hea", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"):
        began = time.monotonic()
        with suppress(ConnectionResetError):
            raw(small, data)
        assert time.monotonic() - began < 8


HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00 hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\nbad header: z\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffffff\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_the_same_shape(
    small: Api, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head, _, body = raw(small, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"application/json" in head
    error = ErrorAnswer.model_validate_json(body).error
    assert error.request_id.startswith("req-")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert small.http().get("/health").status_code == 200


def test_a_body_in_thousands_of_tiny_chunks_keeps_nobody_waiting(api: Api) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    body = json.dumps(chat(max_tokens=2, stop=["x" * 100] * 40)).encode()
    for size, times, status in ((1, 1, 400), (40, 1, 200), (1, 40, 400)):
        pieces = [body[first : first + size] for first in range(0, len(body), size)] * times
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        began = time.monotonic()
        with suppress(ConnectionError):  # it may hang up before all has been sent
            assert raw(api, head + b"Connection: close\r\n\r\n" + chunks).startswith(b"HTTP/1.1 %d" % status)
        assert time.monotonic() - began < 3


def test_what_is_no_http_behind_a_request_ends_the_connection_and_nothing_else(small: Api) -> None:
    good = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    assert raw(small, good + b"nonsense\r\n\r\n").count(b"HTTP/1.1 ") == 2
    assert small.http().get("/health").status_code == 200


def test_while_models_load_health_is_503_and_requests_are_told_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from baco_core.pipeline import Pipeline

    gate = threading.Event()
    whole = Pipeline.from_config

    def held(*arguments: Any) -> Pipeline:
        gate.wait(60)
        return whole(*arguments)

    monkeypatch.setattr(Pipeline, "from_config", held)
    with running(pairs={"tiny": {}}, ready=False) as api:
        health = api.http().get("/health")
        assert health.status_code == 503
        assert health.json() == {"status": "loading", "pairs": {"tiny": "loading"}}
        answer = post(api, chat())
        assert error_of(answer, 503)["code"] == "loading"
        assert int(answer.headers["retry-after"]) >= 1
        assert api.http().get("/v1/models").json()["data"][0]["baco"]["ready"] is False
        for path in ("/", "/docs", "/metrics", "/v1/routers", "/version"):
            assert api.http().get(path).status_code == 200
        gate.set()
        wait_for(lambda: api.http().get("/health").status_code == 200)
        assert post(api, chat()).status_code == 200


def test_a_client_that_retries_gets_its_answer_once_models_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from baco_core.pipeline import Pipeline

    whole = Pipeline.from_config
    monkeypatch.setattr(Pipeline, "from_config", lambda *given: time.sleep(1) or whole(*given))
    with running(pairs={"tiny": {}}, ready=False) as api:
        patient = openai.OpenAI(base_url=f"{api.url}/v1", api_key="x", max_retries=10)
        with patient:
            assert patient.chat.completions.create(**chat()).choices


def test_json_errors_of_the_client_library_are_typed(api: Api) -> None:
    client = api.openai()
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**chat(model="nobody"))
    assert caught.value.request_id
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == "model_not_found"
    assert json.loads(json.dumps(caught.value.body)) == caught.value.body
