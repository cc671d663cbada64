"""The pairs of a server: opened one after the other while the server already answers that it loads."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from baco_core import __version__
from baco_core.config import Config, config_data
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_server.api.errors import ApiError
from baco_server.api.mailbox import Mailbox
from baco_server.config import ServeConfig
from baco_server.desk import Desk, DeskLimits

LOADING = 2.0
"""Seconds after which a client may ask again while models load."""


@dataclass(frozen=True, slots=True)
class ServedPair:
    """A pair, open, with the desk that writes its texts."""

    name: str
    config: Config
    pipeline: Pipeline
    desk: Desk
    mailbox: Mailbox
    """What the desk tells of requests goes through it."""
    fingerprint: str
    """What a text depends on besides the request, as a short name: version and config."""


def fingerprint_of(config: Config) -> str:
    """Return a short name that changes with the version and with the config."""
    data = [__version__, config_data(config)]
    return "fp_" + hashlib.sha256(msgspec.json.encode(data, enc_hook=str)).hexdigest()[:12]


@dataclass(slots=True, eq=False)
class Pairs:
    """All pairs of a server. Loading happens on one thread, asking on any."""

    config: ServeConfig
    plugins: Plugins
    served: dict[str, ServedPair] = field(default_factory=dict)
    closing: bool = False
    begun: int = field(default_factory=lambda: int(time.time()))
    """When the server began, in seconds since 1970."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self) -> None:
        """Open every pair and start its desk; BacoError for the first that cannot be opened."""
        server = self.config.server
        limits = DeskLimits(server.texts, server.queue, server.context_tokens)
        for name, config in self.config.pairs.items():
            if self.closing:
                return
            mailbox = Mailbox()
            desk = Desk.open(config, self.plugins, limits, mailbox.deliver)
            self._take(ServedPair(name, config, desk.pipeline, desk, mailbox, fingerprint_of(config)))

    def _take(self, pair: ServedPair) -> None:
        with self._lock:
            if not self.closing:
                pair.desk.start()
                self.served[pair.name] = pair

    @property
    def ready(self) -> bool:
        """Whether every pair is open."""
        return len(self.served) == len(self.config.pairs)

    def get(self, name: str) -> ServedPair:
        """Return a pair; ApiError 503 while it loads. The name must be one of the config's."""
        if name not in self.served:
            raise ApiError(503, f"{name} is loading; try again soon.", code="loading", retry_after=LOADING)
        return self.served[name]

    def health(self) -> tuple[bool, Mapping[str, str]]:
        """Return whether all pairs take requests, and how each stands."""
        states = {name: self._state(name) for name in self.config.pairs}
        return all(state == "ready" for state in states.values()), states

    def _state(self, name: str) -> str:
        if self.closing:
            return "closing"
        if name not in self.served:
            return "loading"
        return "ready" if self.served[name].desk.figures().alive else "failed"

    def close(self, drain: float) -> None:
        """Close every desk within `drain` seconds, all at the same time."""
        with self._lock:
            self.closing = True
        closers = [
            threading.Thread(target=pair.desk.close, args=(drain,), name=f"baco-close-{pair.name}")
            for pair in self.served.values()
        ]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
