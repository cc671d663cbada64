"""A real server on a free port of this machine, in a thread, for the tests of the API."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
from desk_world import WatchedModel

from baco_core.bundle import ModelFiles
from baco_core.config import Config
from baco_core.hookspecs import hookimpl
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_core.router import Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_server.config_file import serve_config_from_data
from baco_server.serving import Serving

STORY = "Tell me a story about a lighthouse."
PAIRS: dict[str, Any] = {
    "tiny": {"decode": {"max_new_tokens": 24}},
    "calm": {"sampler": {"use": "greedy"}, "router": {"use": "p"}, "decode": {"max_new_tokens": 12}},
}


@dataclass(frozen=True)
class Slow:
    """A router that takes its time at every word."""

    seconds: float = 0.05

    @property
    def needs(self) -> frozenset[Source]:
        return frozenset()

    def start(self, generation: Generation) -> Slow:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        time.sleep(self.seconds)
        return Decision(Source.ALIGNED, "slow")


@dataclass(frozen=True)
class Broken:
    """A router that raises at some position, or would end the process."""

    at: int = 0
    exits: bool = False

    @property
    def needs(self) -> frozenset[Source]:
        return frozenset()

    def start(self, generation: Generation) -> Broken:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        if point.position >= self.at:
            if self.exits:
                sys.exit("broken on purpose")
            raise RuntimeError(f"broken on purpose, after reading {point.text!r}")
        return Decision(Source.ALIGNED, "fine so far")


@dataclass(frozen=True)
class Made:
    """A backend for bundles without weights (made_bundle): its models favour whole words."""

    def load(self, files: ModelFiles) -> WatchedModel:
        seed = 1 if files.onnx.parent.name == "base" else 2
        return WatchedModel(seed, files.vocab_size, files.context_limit, range(256, files.vocab_size - 1))


class Faults:
    """The plugin that brings them."""

    @hookimpl
    def register_backends(self, register: Any) -> None:
        register("made", Made)

    @hookimpl
    def register_routers(self, register: Any) -> None:
        register("slow", Slow)
        register("broken", Broken)


def plugins() -> Plugins:
    """Return the built-in plugins and ours."""
    return load_plugins(given={"faults": Faults()})


@dataclass
class Api:
    """A server that runs, and ways to ask it."""

    serving: Serving
    key: str = "no-key-needed"
    clients: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.serving.server.address

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def openai(self) -> openai.OpenAI:
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=120)
        self.clients.append(client)
        return client

    def http(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key}"}
        client = httpx.Client(base_url=self.url, timeout=120, headers=headers, trust_env=False)
        self.clients.append(client)
        return client

    def pipeline(self, name: str = "tiny") -> Pipeline:
        return self.serving.pairs.served[name].pipeline

    def config(self, name: str = "tiny") -> Config:
        return self.serving.pairs.served[name].config

    def wait_idle(self, seconds: float = 30.0) -> None:
        """Wait until no desk has anything in hand; fail where one keeps something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            figures = [pair.desk.figures() for pair in self.serving.pairs.served.values()]
            if not any(one.queued or one.requests_in_hand or one.texts for one in figures):
                return
            time.sleep(0.02)
        raise AssertionError(f"something is stuck: {figures}")


@contextmanager
def running(
    server: Mapping[str, Any] | None = None, pairs: Mapping[str, Any] | None = None, *, ready: bool = True
) -> Iterator[Api]:
    """Run a server in a thread until the block is left."""
    settings = {"port": 0, "drain": 5.0, "log_level": "error", **(server or {})}
    config = serve_config_from_data({"server": settings, "pairs": dict(pairs or PAIRS)})
    listening = threading.Event()
    serving = Serving(config, plugins(), lambda address: listening.set())
    failures: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(serving, failures), name="api-under-test")
    thread.start()
    api = Api(serving)
    try:
        assert listening.wait(60), failures
        if ready:
            wait_for(lambda: serving.pairs.ready or failures)
            assert not failures, failures
        yield api
    finally:
        for client in api.clients:
            client.close()
        serving.stop()
        thread.join(60)
        assert not thread.is_alive()


def _run(serving: Serving, failures: list[BaseException]) -> None:
    try:
        serving.run()
    except BaseException as error:
        failures.append(error)


def wait_for(done: Callable[[], Any], seconds: float = 120.0) -> None:
    """Wait until something is so; fail where it is not in time."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def chat(text: str = STORY, **more: Any) -> dict[str, Any]:
    """Return the fields of a small chat request."""
    given = {"model": "tiny", "messages": [{"role": "user", "content": text}], "max_tokens": 8, "seed": 1}
    return {**given, **more}
