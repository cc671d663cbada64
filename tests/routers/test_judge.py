from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from baco_core.errors import ConfigError, PluginError
from baco_core.source import Source
from baco_core.testing.routers import check_router
from baco_routers import chat_endpoint
from baco_routers.judge import TEMPLATE, Judge
from tests.routers.made import ALIGNED, BASE, decided, generation, point

KEY = "sk-very-secret-0123456789"


def completion(answer: object) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).encode()


@dataclass
class Server:
    """A chat endpoint on this machine that answers what the test says, and keeps what it was asked."""

    replies: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, completion("A"))])
    pause: float = 0.0
    drip: bool = False
    location: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""

    def reply(self, *bodies: bytes, status: int = 200) -> None:
        """Answer these bodies in turn, the last one for good."""
        self.replies = [(status, body) for body in bodies]

    def next_reply(self) -> tuple[int, bytes]:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.paths.append(self.path)
            state.headers.append(dict(self.headers))
            state.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            time.sleep(state.pause)
            status, body = state.next_reply()
            # some tests want the client to give up before the answer is whole
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if state.location:
                    self.send_header("Location", state.location)
                self.end_headers()
                self.send(body)

        def send(self, body: bytes) -> None:
            for start in range(0, len(body), 1 if state.drip else max(1, len(body))):
                self.wfile.write(body[start : start + 1] if state.drip else body)
                if state.drip:
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.address = f"http://127.0.0.1:{listener.server_address[1]}/v1"
    yield state
    listener.shutdown()
    thread.join()
    listener.server_close()


def judged(server: Server, text: str = "Once", **options: Any) -> Source:
    judge = Judge(endpoint=server.address, model="tiny-judge", **{"timeout": 5.0, "retries": 0, **options})
    return decided(judge.start(generation(prompt="A story, please.")), point(text=text)).source


def refused(server: Server, **options: Any) -> str:
    with pytest.raises(PluginError) as caught:
        judged(server, **options)
    message = str(caught.value)
    assert message.startswith(f"judge {server.address}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        *((text, BASE) for text in ("A", "a", " A\n", "A.", "**A**", "base", '"Base"')),
        *((text, ALIGNED) for text in ("B", "(B)", "`b`", "Aligned.")),
    ],
)
def test_a_good_answer_decides(server: Server, answer: str, source: Source) -> None:
    server.reply(completion(answer))
    assert judged(server) is source


@pytest.mark.parametrize("answer", ["Maybe", "", "A or B", "Writer A", "C", "AB", "The answer is B because"])
def test_any_other_answer_is_refused_with_what_was_said(server: Server, answer: str) -> None:
    server.reply(completion(answer))
    message = refused(server)
    assert f"model 'tiny-judge' answered {answer!r}, neither A nor B" in message
    assert "template" in message


def test_the_judge_reads_prompt_and_text(server: Server) -> None:
    judged(server, "Once upon {prompt}")
    (asked,) = server.asked
    question = TEMPLATE.replace("{text}", "Once upon {prompt}").replace("{prompt}", "A story, please.", 1)
    assert asked["messages"] == [{"role": "user", "content": question}]
    assert (asked["model"], asked["temperature"]) == ("tiny-judge", 0)
    assert server.paths == ["/v1/chat/completions"]


def test_a_template_of_ones_own_is_filled_once(server: Server) -> None:
    judged(server, "{prompt} {x} {text}", template="P={prompt} T={text} {other} {}")
    assert server.asked[0]["messages"][0]["content"] == "P=A story, please. T={prompt} {x} {text} {other} {}"


def test_each_text_is_asked_about_once_in_a_generation(server: Server) -> None:
    server.reply(completion("A"), completion("B"))
    judge = Judge(endpoint=server.address, model="m")
    decider = judge.start(generation())
    told = [decided(decider, point(text=text)).source for text in ("Once", "Once upon", "Once", "Once upon")]
    assert told == [BASE, ALIGNED, BASE, ALIGNED]
    assert len(server.asked) == 2
    decided(judge.start(generation()), point(text="Once"))
    assert len(server.asked) == 3


def test_the_key_is_sent_and_never_shown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", f" {KEY}\n")
    judged(server, api_key_env="JUDGE_KEY")
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    for status in (401, 403, 500):
        server.reply(f"invalid key {KEY}".encode(), status=status)
        assert KEY not in refused(server, api_key_env="JUDGE_KEY")
    judge = Judge(endpoint=server.address, model="m", api_key_env="JUDGE_KEY")
    assert KEY not in repr(judge) + repr(judge.start(generation()))


def test_without_a_key_none_is_sent(server: Server) -> None:
    judged(server)
    assert "Authorization" not in server.headers[0]


def test_a_missing_or_odd_key_is_refused_before_anything_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="environment variable NO_SUCH_KEY is not set"):
        judged(server, api_key_env="NO_SUCH_KEY")
    monkeypatch.setenv("ODD_KEY", "sk-1\nX-Evil: 1")
    with pytest.raises(ConfigError, match="ODD_KEY holds characters that no key has") as caught:
        judged(server, api_key_env="ODD_KEY")
    assert "sk-1" not in str(caught.value)
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "answered 401 Unauthorized; name the environment variable that holds the key in `api_key_env`"),
        (404, "answered 404 Not Found; check `endpoint`, `model`"),
        (429, "answered 429 Too Many Requests; try later, or raise `retries`"),
        (500, "answered 500 Internal Server Error; check"),
    ],
)
def test_http_errors_are_told_with_what_to_do(server: Server, status: int, words: str) -> None:
    server.reply(b"{}", status=status)
    assert words in refused(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b"[" * 100_000,
        completion(None),
        completion(["A"]),
    ],
)
def test_a_body_that_is_no_completion_is_refused(server: Server, body: bytes) -> None:
    server.reply(body)
    assert "sent no chat completion" in refused(server)


def test_a_body_without_end_is_cut_off(server: Server) -> None:
    server.reply(b" " * (1 << 20) + completion("A"))
    assert "sent over a megabyte" in refused(server)


def test_a_slow_endpoint_times_out(server: Server) -> None:
    server.pause = 0.6
    assert "did not answer within 0.2 s; raise `timeout`" in refused(server, timeout=0.2)


def test_an_endpoint_that_drips_times_out_as_a_whole(server: Server) -> None:
    server.drip = True
    started = time.monotonic()
    assert "did not answer within 0.3 s" in refused(server, timeout=0.3)
    assert time.monotonic() - started < 2


def test_an_endpoint_nobody_listens_at_cannot_be_reached() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    assert "cannot be reached (" in refused(Server(address=address))


def test_a_server_that_does_not_speak_http_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"220 mail ready\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        message = refused(Server(address=f"http://127.0.0.1:{listener.getsockname()[1]}"))
        thread.join()
    assert "cannot be reached" in message


def test_redirects_are_not_followed(server: Server) -> None:
    server.reply(b"", status=307)
    server.location = "http://127.0.0.1:9/elsewhere"
    assert "redirects are not followed" in refused(server)


def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert judged(server) is BASE


def test_a_busy_endpoint_is_asked_again_and_a_broken_one_is_not(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    clock = SimpleNamespace(sleep=waits.append, monotonic=time.monotonic)
    monkeypatch.setattr(chat_endpoint, "time", clock)
    server.replies = [(503, b""), (429, b""), (200, completion("B"))]
    assert judged(server, retries=2) is ALIGNED
    assert waits == [0.5, 1.0]
    server.replies = [(500, b""), (200, completion("B"))]
    assert "answered 500" in refused(server, retries=2)
    server.reply(b"", status=503)
    assert "answered 503" in refused(server, retries=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either endpoint and model, or member"),
        ({"endpoint": "http://a/v1", "model": "m", "member": "base"}, "either endpoint and model, or member"),
        ({"endpoint": "http://a/v1"}, "set model"),
        ({"endpoint": "file:///etc/passwd", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "ftp://a/v1", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "127.0.0.1:8000", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://a/v1?key=1", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://a b/v1", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://a\n/v1", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://a/v\u00e9", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://a:port/v1", "model": "m"}, "endpoint must be like http"),
        ({"endpoint": "http://[::1/v1", "model": "m"}, "endpoint must be like http"),
        ({"member": "third"}, "member must be one of base, aligned"),
        ({"member": "base", "template": "who?"}, "template must contain {text}"),
        ({"member": "base", "timeout": 0.0}, "timeout must be a number of seconds above 0"),
        ({"member": "base", "timeout": math.nan}, "timeout must be"),
        ({"member": "base", "timeout": math.inf}, "timeout must be"),
        ({"member": "base", "retries": -1}, "retries must be 0 or more"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Judge(**options)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="must not hold a user or password") as caught:
        Judge(endpoint=f"http://me:{KEY}@example.org/v1", model="m")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("scores", "source", "share"),
    [
        ([-1.0, -2.0], BASE, 1 / (1 + math.exp(-1))),
        ([-9.0, -0.5], ALIGNED, 1 / (1 + math.exp(8.5))),
        ([-1.0, -1.0], ALIGNED, 0.5),
        ([-2000.0, 0.0], ALIGNED, 0.0),
        ([0.0, -2000.0], BASE, 1.0),
    ],
)
def test_a_member_of_the_pair_judges_by_the_likelier_letter(
    scores: list[float], source: Source, share: float
) -> None:
    questions: list[tuple[Source, str, tuple[str, ...]]] = []

    def consult(member: Source, question: str, answers: Sequence[str]) -> list[float]:
        questions.append((member, question, tuple(answers)))
        return scores

    judge = Judge(member="aligned")
    decider = judge.start(generation(consult=consult, prompt="Hi."))
    decision = decided(decider, point(text="Once"))
    assert decided(decider, point(text="Once")) == decision
    assert decision.source is source
    assert decision.signal == pytest.approx(share, abs=1e-12)
    ((member, question, letters),) = questions
    assert (member, letters) == (ALIGNED, (" A", " B"))
    assert "Hi." in question
    assert question.index("Once") > question.index("Hi.")


def test_only_a_local_judge_can_be_run_ahead() -> None:
    assert Judge(member="base").replayable
    assert not Judge(endpoint="http://127.0.0.1/v1", model="m").replayable


def test_only_a_judge_elsewhere_blocks() -> None:
    assert not Judge(member="base").blocking
    assert Judge(endpoint="http://127.0.0.1/v1", model="m").blocking


def test_judges_pass_the_conformance_check(server: Server) -> None:
    check_router(Judge(member="base"))
    check_router(Judge(endpoint=server.address, model="m"), trials=1, length=3)
