"""Running a server: signals, logs, counts, ids, headers, and what it shows to whom."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import STORY, Api, chat, running, wait_for

BACO = str(Path(sys.executable).with_name("baco"))
ADDRESS = re.compile(r"http://[0-9.]+:\d+")


@contextmanager
def process(folder: Path, *arguments: str, stderr: Any = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `baco serve` until the block is left; its stderr is `folder/log`."""
    with open(folder / "log", "wb") as log:
        command = [BACO, "serve", *arguments]
        running = subprocess.Popen(command, stderr=stderr or log, stdout=subprocess.DEVNULL, cwd=folder)
    try:
        yield running
    finally:
        running.kill()
        running.wait(30)


def address(folder: Path) -> str:
    """Return where it listens, once it is ready."""
    log = folder / "log"
    wait_for(lambda: '"ready"' in log.read_text() or "error:" in log.read_text())
    found = ADDRESS.search(log.read_text())
    assert found, log.read_text()
    return found[0]


SLOW_STREAM = chat(max_tokens=900, stream=True, n=4)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_in_mid_stream_ends_it_cleanly_and_the_exit_code_says_so(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with process(tmp_path, "--port", "0", "--set", "server.drain=1") as server:
        url = address(tmp_path)
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=SLOW_STREAM, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.send_signal(number)
            data = [line for line in lines if line]
        assert data[-1] == "data: [DONE]"
        assert server.wait(60) == code
    text = (tmp_path / "log").read_text()
    assert text.startswith(f"baco: serving tiny on {url}")
    assert "Traceback" not in text
    assert STORY not in text


@pytest.mark.slow
def test_being_killed_ends_a_stream_at_once_and_a_new_server_takes_the_port(tmp_path: Path) -> None:
    with process(tmp_path, "--port", "0") as server:
        url = address(tmp_path)
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=SLOW_STREAM, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            server.kill()
            with pytest.raises(httpx.HTTPError):
                list(lines)
    with process(tmp_path, "--port", url.rpartition(":")[2]):
        assert httpx.get(f"{address(tmp_path)}/health").status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_for_logs_stops_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open("/dev/full", "wb") as full, process(tmp_path, "--port", str(port), stderr=full) as server:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/health"))
        answer = httpx.post(f"{url}/v1/chat/completions", json=chat(), timeout=60)
        assert answer.status_code == 200
        dropped = re.search(
            r"^baco_log_lines_dropped_total ([0-9.]+)$", httpx.get(f"{url}/metrics").text, re.M
        )
        assert dropped
        assert float(dropped[1]) >= 2
        server.terminate()
        assert server.wait(60) == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def ended(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [BACO, "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    return done.returncode, done.stderr


@pytest.mark.slow
def test_mistakes_end_with_one_line_and_code_2(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("pairs: {a: {pair: {bundle: nobody}}}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases: list[tuple[list[str], str]] = [
            (["--port", port], f"cannot listen on 127.0.0.1, port {port}: it is taken"),
            (["--port", "0", "-c", str(tmp_path / "s.yaml")], "unknown bundle 'nobody'"),
            (["--port", "99999"], "server.port: expected int <= 65535"),
            (["--api-key-file", str(tmp_path / "none")], "the API keys cannot be read"),
            (["--set", "server.prt=1"], "Did you mean 'port'?"),
        ]
        for arguments, complaint in cases:
            code, text = ended(*arguments)
            assert code == 2, text
            assert complaint in text
            assert text.count("baco: error:") == 1
            assert "Traceback" not in text


def test_help_is_there_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys; from baco_core.cli.parser import parse; parse(['--help']); print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "baco_server.command" in loaded
    assert not loaded & {
        "fastapi",
        "starlette",
        "uvicorn",
        "pydantic",
        "numpy",
        "onnxruntime",
        "prometheus_client",
    }


def test_a_request_id_is_taken_over_where_it_is_one(api: Api) -> None:
    http = api.http()
    assert http.get("/health", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for bad in ("x" * 129, "a b", "<script>", "ä".encode(), ""):
        given = http.get("/health", headers={"x-request-id": bad}).headers["x-request-id"]
        assert re.fullmatch(r"req-[0-9a-f]{24}", given)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((path, 200) for path in ("/", "/docs", "/health", "/metrics", "/version", "/v1/models/tiny")),
        ("/v1/models/tony", 404),
        ("/v1/chat/completions", 405),
    ],
)
def test_head_is_answered_as_get_without_the_body(api: Api, path: str, status: int) -> None:
    http = api.http()
    head, get = http.head(path), http.get(path)
    assert head.status_code == get.status_code == status
    assert head.content == b""
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == str(len(get.content))


def test_every_answer_has_safe_headers(api: Api) -> None:
    http = api.http()
    for path in ("/health", "/v1/models", "/docs", "/", "/v1/nothing"):
        headers = http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_other_origins_may_not_ask_unless_they_are_named(api: Api) -> None:
    asked = {"origin": "https://example.org", "access-control-request-method": "POST"}
    path = "/v1/chat/completions"
    assert "access-control-allow-origin" not in api.http().options(path, headers=asked).headers
    with running({"cors_origins": ["https://example.org"]}, {"tiny": {}}) as open_api:
        http = open_api.http()
        assert (
            http.options(path, headers=asked).headers["access-control-allow-origin"] == "https://example.org"
        )
        other = http.options(path, headers={**asked, "origin": "https://example.com"})
        assert "access-control-allow-origin" not in other.headers
        answer = http.get("/v1/models", headers={"origin": "https://example.org"})
        assert answer.headers["access-control-allow-origin"] == "https://example.org"


class Links(HTMLParser):
    """Collects what a page would load or link to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_the_documentation_needs_no_other_host_and_no_script(api: Api) -> None:
    http = api.http()
    page = Links()
    text = http.get("/docs").text
    page.feed(text)
    assert page.scripts == 0
    assert page.found
    for link in page.found:
        assert "//" not in link
        target = link.partition("#")[0]
        assert not target or http.get(f"/{target}").status_code == 200
        assert target or f'id="{link[1:]}"' in text
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        assert all(f"{method.upper()} {path}" in text for method in operations)


def test_the_version_is_told(api: Api) -> None:
    from baco_core import __version__

    assert api.http().get("/version").json() == {"name": "baco", "version": __version__}


def test_metrics_count_requests_tokens_and_times(api: Api) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    http = api.http()

    def values() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        families = parser.text_string_to_metric_families(http.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}

    before = values()
    usage = http.post("/v1/chat/completions", json=chat(model="calm@rand")).json()["usage"]
    http.get("/v1/" + "x" * 50)
    wait_for(lambda: api.wait_idle() is None)
    after = values()

    def grown(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return after[key] - before.get(key, 0)

    asked = grown("baco_http_requests_total", method="POST", route="/v1/chat/completions", status="200")
    assert asked == 1
    written = sum(grown("baco_tokens_total", pair="calm", source=who) for who in ("base", "aligned"))
    assert written >= usage["completion_tokens"]
    assert grown("baco_requests_total", pair="calm", outcome="done") == 1
    assert grown("baco_first_token_seconds_count", pair="calm") == 1
    assert after["baco_up", frozenset({("pair", "calm")})] == 1
    assert not any("x" * 50 in str(key) for key in after)


@pytest.mark.parametrize("log_prompts", [False, True])
def test_logs_are_json_and_hold_no_prompt_text_or_key_unless_asked_for(
    log_prompts: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from baco_server.edge import logs

    monkeypatch.setenv("BACO_API_KEYS", "key-of-this-test")
    settings = {"log_level": "debug", "log_prompts": log_prompts}
    with running(settings, {"tiny": {}}) as api:
        logs.configure(api.serving.pairs.config.server)
        api.key = "key-of-this-test"
        http = api.http()
        asked = chat("Tell me of the xylophone.", max_tokens=12)
        written = http.post("/v1/chat/completions", json=asked).json()
        http.post("/v1/chat/completions", json={**asked, "xylophone": "xylophone"})
        http.post("/v1/chat/completions", json={**asked, "baco": {"router": "broken"}})
        http.get("/v1/xylophone?xylophone", headers={"authorization": "Bearer wrong-key-xylophone"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in requests] == [200, 400, 500, 404]
    assert requests[0]["model"] == "tiny"
    assert requests[0]["completion_tokens"] == written["usage"]["completion_tokens"]
    failed = next(line for line in lines if line["event"] == "a request failed")
    assert failed["error"] == "PluginError"
    assert any("api_world.py" in where for where in failed["cause_where"])
    everything = json.dumps(lines)
    assert ("xylophone" in everything) == log_prompts
    assert "key-of-this-test" not in everything
    assert "wrong-key" not in everything
    text = written["choices"][0]["message"]["content"]
    assert (text in [entry for line in lines for entry in line.get("texts", [])]) == log_prompts


def test_text_logs_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    from baco_server.edge import logs

    with running({"log_format": "text", "log_level": "info"}, {"tiny": {}}) as api:
        logs.configure(api.serving.pairs.config.server)
        api.http().get("/v1/models")
    lines = capsys.readouterr().err.splitlines()
    assert any("request id=req-" in line and "status=200" in line for line in lines)


def test_health_is_503_once_a_desk_can_write_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(pairs={"tiny": {}}) as api:
        assert api.http().get("/health").json() == {"status": "ready", "pairs": {"tiny": "ready"}}
        api.serving.pairs.served["tiny"].desk.close(1.0)
        answer = api.http().get("/health")
        assert answer.status_code == 503
        assert answer.json()["status"] == "failed"
        refused = api.http().post("/v1/chat/completions", json=chat())
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "closing"


def test_a_server_that_anybody_can_reach_without_a_key_warns(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    from baco_server.config import ServerConfig
    from baco_server.edge.keys import Keys
    from baco_server.serving import warn_if_open

    logging.getLogger("baco.serve").propagate = True
    warnings: list[Callable[[], None]] = [
        lambda: warn_if_open(ServerConfig(), Keys()),
        lambda: warn_if_open(ServerConfig(host="localhost"), Keys()),
        lambda: warn_if_open(ServerConfig(host="0.0.0.0"), Keys.of(["some-key-here"])),  # noqa: S104
        lambda: warn_if_open(ServerConfig(host="::1"), Keys()),
    ]
    for quiet in warnings:
        quiet()
    assert not caplog.records
    warn_if_open(ServerConfig(host="0.0.0.0"), Keys())  # noqa: S104
    assert "there are no API keys" in caplog.text


def test_opentelemetry_that_is_not_installed_is_named() -> None:
    from importlib.util import find_spec

    from baco_core.errors import ConfigError

    if find_spec("opentelemetry.sdk") is not None:
        pytest.skip("it is installed")
    with pytest.raises(ConfigError, match=r"pip install 'baco\[otel\]'"), running({"opentelemetry": True}):
        pass


def test_requests_are_traced_without_any_prompt_where_that_is_asked_for() -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    processor = pytest.importorskip("opentelemetry.sdk.trace.export").SimpleSpanProcessor
    from opentelemetry import trace as traces

    spans = export.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(processor(spans))
    traces.set_tracer_provider(provider)
    with running({"opentelemetry": True}, {"tiny": {}}) as api:
        api.http().post("/v1/chat/completions", json=chat("Tell me of the xylophone."))
    found = spans.get_finished_spans()
    assert any("/v1/chat/completions" in span.name for span in found)
    assert "xylophone" not in "".join(span.to_json() for span in found)


def test_a_busy_server_says_so() -> None:
    with running({"connections": 1}, {"tiny": {}}) as api:
        body = chat(max_tokens=40, stream=True, baco={"router": "slow", "options": {"seconds": 0.2}})
        with api.http().stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            busy = api.http().post("/v1/chat/completions", json=chat())
        assert busy.status_code == 503
        assert busy.json()["error"]["code"] == "overloaded"
        assert busy.headers["retry-after"] == "1"
        began = time.monotonic()
        wait_for(lambda: api.http().get("/health").status_code == 200, 10)
        assert time.monotonic() - began < 10


def test_a_pair_is_opened_for_as_many_texts_as_are_written_at_once() -> None:
    with running({"texts": 4}) as api:
        models = api.serving.pairs.served["tiny"].pipeline.pair.models
        assert [model.graph.slots for model in models] == [4, 4]  # type: ignore[attr-defined]
