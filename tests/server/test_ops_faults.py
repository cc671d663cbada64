"""A server as a process, treated badly: ended with work in hand or while it loads, killed, out of disk.

One stream at a signal, a port taken over and a log that never works are in test_api_operations.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_world import chat, wait_for

from baco_core.config import load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins

pytestmark = pytest.mark.slow
BACO = str(Path(sys.executable).with_name("baco"))
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
TEXTS = 2


@contextmanager
def started(log: Path, *settings: str, cache: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `baco serve` until the block is left."""
    sets = [part for one in ("server.drain=2", f"server.texts={TEXTS}", *settings) for part in ("--set", one)]
    environment = {**os.environ, **({} if cache is None else {"BACO_CACHE": str(cache)})}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [BACO, "serve", "--port", "0", *sets],
            stderr=output,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def listening(log: Path) -> str:
    """Return where it listens, ready or not."""
    wait_for(lambda: log.exists() and (ADDRESS.search(log.read_text()) or "error:" in log.read_text()))
    found = ADDRESS.search(log.read_text())
    assert found, log.read_text()
    return found[0]


def ready(log: Path) -> str:
    """Return where it listens, once its pair is there."""
    url = listening(log)
    wait_for(lambda: httpx.get(f"{url}/health", timeout=30).status_code == 200)
    return url


def asked(url: str, **more: Any) -> str:
    answer = httpx.post(f"{url}/v1/chat/completions", json=chat(**more), timeout=60)
    return str(answer.json()["choices"][0]["message"]["content"])


class Stream(threading.Thread):
    """A client that reads a stream to its end."""

    def __init__(self, url: str, seed: int, n: int = 2) -> None:
        super().__init__()
        self.url, self.seed, self.n = url, seed, n
        self.begun = threading.Event()
        self.lines: list[str] = []
        self.status = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        body = chat(max_tokens=900, n=self.n, stream=True, seed=self.seed)
        try:
            with httpx.stream("POST", f"{self.url}/v1/chat/completions", json=body, timeout=60) as answer:
                self.status = answer.status_code
                for line in answer.iter_lines():
                    self.begun.set()
                    self.lines += [line] if line.startswith(("data: ", "{")) else []
        except Exception as error:
            self.failure = error
        self.begun.set()


def code_of(line: str) -> str:
    """Return the code of an error, be it the answer or an event behind keep-alive comments."""
    return str(json.loads(line.removeprefix("data: "))["error"]["code"])


def test_at_sigterm_streams_in_hand_and_requests_that_wait_all_end_in_order(tmp_path: Path) -> None:
    with started(tmp_path / "log") as server:
        url = ready(tmp_path / "log")
        clients = [Stream(url, seed) for seed in range(4 * TEXTS)]
        for client in clients:
            client.start()
        assert clients[0].begun.wait(60)
        time.sleep(0.5)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
        assert time.monotonic() - began < 2 + 5 + 10  # drain, last events, a busy machine
        for client in clients:
            client.join(30)
            assert not client.is_alive()
            assert client.failure is None
            last = client.lines[-1]
            assert last == "data: [DONE]" or code_of(last) == "closing", (client.status, last)
        assert sum(client.lines[-1] == "data: [DONE]" for client in clients) >= 1
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/health", timeout=5)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_sigterm_while_models_load_ends_it_at_once(tmp_path: Path) -> None:
    with started(tmp_path / "log") as server:
        listening(tmp_path / "log")
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_second_ctrl_c_does_not_wait_for_what_is_in_hand(tmp_path: Path) -> None:
    with started(tmp_path / "log", "server.drain=600") as server:
        url = ready(tmp_path / "log")
        client = Stream(url, 0, n=100)  # in hand for longer than it takes to press the keys again
        client.start()
        assert client.begun.wait(60)
        server.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert server.poll() is None
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 130  # all of it would take three times as long
        client.join(60)
        assert not client.is_alive()


def test_killed_at_any_moment_of_its_start_it_starts_again_and_writes_as_ever(tmp_path: Path) -> None:
    cache = tmp_path / "cache"  # where verdicts on exact rows are kept
    for number, seconds in enumerate((0.6, 1.0, 1.4, 1.8, 2.4)):
        with started(tmp_path / f"log{number}", cache=cache) as server:
            time.sleep(seconds)
            server.kill()
    with started(tmp_path / "log", cache=cache):
        text = asked(ready(tmp_path / "log"), max_tokens=24, seed=5)
    pipeline = Pipeline.from_config(
        load_config(None, ["decode.max_new_tokens=24", "decode.seed=5"]), load_plugins(())
    )
    assert text == pipeline.generate(chat()["messages"][0]["content"])[0].text


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of a few kilobytes; skips where it cannot be had."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "baco-test", str(folder)]
    with suppress(FileNotFoundError):
        if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
            try:
                yield folder
            finally:
                subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)
            return
    pytest.skip("a small file system can only be mounted by root")


def test_a_disk_that_fills_while_it_serves_loses_log_lines_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk, started(disk / "log", "server.log_level=debug") as server:
        url = ready(disk / "log")
        (disk / "ballast").write_bytes(bytes(40_000))
        with suppress(OSError), (disk / "more").open("wb") as rest:
            while True:
                rest.write(bytes(1024))
                rest.flush()
        with httpx.Client(base_url=url, timeout=60) as client:
            for _ in range(60):
                assert client.get("/version").status_code == 200
            answer = client.post("/v1/chat/completions", json=chat(max_tokens=8))
            assert answer.json()["choices"][0]["message"]["content"]
            dropped = re.search(r"^baco_log_lines_dropped_total (\S+)$", client.get("/metrics").text, re.M)
            assert dropped
            assert float(dropped[1]) > 0
            (disk / "ballast").unlink()
            (disk / "more").unlink()
            before = (disk / "log").stat().st_size
            assert client.get("/version").status_code == 200
        wait_for(lambda: (disk / "log").stat().st_size > before, 10)
        server.terminate()
        assert server.wait(60) == 0
