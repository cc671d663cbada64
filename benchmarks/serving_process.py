"""`baco serve` as a process of its own: where it listens, how much memory it has, what it counts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

ADDRESS = re.compile(r"on (http://(127\.0\.0\.1):(\d+))")
T = TypeVar("T")
START_S = 180.0
SETTLE_S = 10.0
_BUSY = ("baco_requests_waiting", "baco_requests_running", "baco_texts_running", "baco_texts_paused")


class Served:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        """Wait until it is ready; RuntimeError where it ends before that."""
        self._process = process
        self._log = log
        found = self._wait_for_address()
        self.url, self.host, self.port = found[1], found[2], int(found[3])
        self._wait_until_ready()

    def _wait_for_address(self) -> re.Match[str]:
        return self._wait(lambda: ADDRESS.search(self._log.read_text("utf-8")))

    def _wait_until_ready(self) -> None:
        self._wait(self._ready)

    def _wait(self, done: Callable[[], T | None]) -> T:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            if found := done():
                return found
            time.sleep(0.1)
        raise RuntimeError(f"the server did not start:\n{self._log.read_text('utf-8')}")

    def _ready(self) -> bool:
        try:
            return bool(self._get("/health"))
        except urllib.error.URLError:
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:  # noqa: S310  our own server
            return str(answer.read().decode())

    def model(self) -> str:
        """Return the name of its first pair."""
        return str(json.loads(self._get("/v1/models"))["data"][0]["id"])

    def count(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = self._get("/metrics").splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[{{ ]", line))

    def resident(self) -> int:
        """Return the bytes of it that are in memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])  # type: ignore[index]

    def settle(self) -> bool:
        """Wait a little; say whether nothing is in hand any more."""
        time.sleep(SETTLE_S)
        return not any(self.count(name) for name in _BUSY)

    def complaints(self) -> list[str]:
        """Return what it logged as a warning or worse."""
        lines = self._log.read_text("utf-8").splitlines()
        return [line for line in lines if re.search(r'"level":"(warning|error|critical)"', line)]


@contextmanager
def served(config: Path | None, settings: Sequence[str], log: Path) -> Iterator[Served]:
    """Run a server until the block is left, then end it by SIGTERM."""
    chosen = [] if config is None else ["-c", str(config)]
    command = [sys.executable, "-m", "baco_core.cli", "serve", *chosen, "--port", "0"]
    for setting in settings:
        command += ["--set", setting]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stderr=output, stdin=subprocess.DEVNULL)  # noqa: S603  ourselves
    try:
        yield Served(process, log)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
