"""Runs a server until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable
from ipaddress import ip_address

from baco_core.errors import ConfigError
from baco_core.plugins import Plugins
from baco_server.api.pairs import Pairs
from baco_server.app import create_app
from baco_server.config import ServeConfig, ServerConfig
from baco_server.edge.connections import Server, uvicorn_config
from baco_server.edge.keys import Keys, load_keys
from baco_server.edge.logs import FIELDS, LOGGER, configure

log = logging.getLogger(LOGGER)


class Serving:
    """A server and the thread that opens its pairs while it already answers."""

    def __init__(
        self, config: ServeConfig, plugins: Plugins, started: Callable[[str], None] | None = None
    ) -> None:
        """Be ready to run; raises ConfigError for keys that cannot be read.

        `started` is called with the address once the server listens.
        """
        keys = load_keys(config.server)
        self.pairs = Pairs(config, plugins)
        app = create_app(self.pairs, keys)
        self._keys = keys
        self._failure: Exception | None = None
        self._started = started
        self.server = Server(
            uvicorn_config(app, config.server),
            started=self._begin,
            closing=self._close,
            hurried=self._hurry,
        )

    def run(self) -> list[int]:
        """Serve until a signal comes or `stop` is called; return the signals that came.

        Raises what kept a pair from being opened, and ConfigError for an address that is taken.
        """
        try:
            self.server.run()
        except SystemExit as error:  # uvicorn's answer to an address that it cannot have
            config = self.pairs.config.server
            raise ConfigError(
                f"cannot listen on {config.host}, port {config.port}: it is taken, or not of this machine; "
                "choose another with --host and --port."
            ) from error
        if self._failure is not None:
            raise self._failure
        return self.server.received

    def stop(self) -> None:
        """End it gracefully, from any thread."""
        self.server.should_exit = True

    def _begin(self, address: str) -> None:
        warn_if_open(self.pairs.config.server, self._keys)
        if self._started is not None:
            self._started(address)
        threading.Thread(target=self._load, name="baco-load", daemon=True).start()

    def _load(self) -> None:
        try:
            self.pairs.load()
        except Exception as error:
            self._failure = error
            self.stop()
            return
        log.info("ready", extra={FIELDS: {"pairs": sorted(self.pairs.served)}})

    def _hurry(self) -> None:
        """End what is in hand as it stands. For a signal handler: it waits for nothing."""
        threading.Thread(target=self.pairs.close, args=(0.0,), name="baco-hurry", daemon=True).start()

    async def _close(self) -> None:
        await asyncio.to_thread(self.pairs.close, self.pairs.config.server.drain)


def serve(config: ServeConfig, plugins: Plugins) -> int:
    """Serve until SIGTERM (0) or SIGINT (130)."""
    configure(config.server)

    def started(address: str) -> None:
        names = ", ".join(config.pairs)
        with contextlib.suppress(OSError):  # a full disk is no reason not to serve
            print(f"baco: serving {names} on {address} (Ctrl+C ends it)", file=sys.stderr, flush=True)

    signals = Serving(config, plugins, started).run()
    if signal.SIGINT in signals:
        raise KeyboardInterrupt
    return 0


def warn_if_open(config: ServerConfig, keys: Keys) -> None:
    """Warn of a server that anybody can reach and ask."""
    if not keys and not _is_loopback(config.host):
        log.warning("everybody who reaches %s may ask: there are no API keys", config.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
