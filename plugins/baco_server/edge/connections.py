"""Connections that give up on clients that neither send nor read, and a server that shuts down in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import h11
import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from baco_server.api.errors import refused
from baco_server.config import ServerConfig
from baco_server.edge.logs import FIELDS, LOGGER
from baco_server.edge.record import new_id

log = logging.getLogger(LOGGER)
MOST_HEADERS = 64 * 1024
"""Bytes that a request's line and headers may have together."""
MOST_CHUNKS = 1000
MEAN_CHUNK = 32
"""Bytes that the chunks of a body must have on average where there are many."""
SEND_BUFFER = 128 * 1024
"""Bytes of an answer that the system holds for a slow reader; left to itself, it takes megabytes."""
SPARE_CONNECTIONS = 64
"""Beyond the limit of requests, so that the answer 503 can be given."""
GRACE = 5
"""Seconds after the drain in which streams send their last events."""


class Requests(h11.Connection):
    """What a client sends. A body in thousands of tiny chunks is refused: to read them takes seconds."""

    _chunks = 0
    _bytes = 0

    def next_event(self) -> Any:
        """Return what comes next; raises RemoteProtocolError for what is not taken."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_start
            self._bytes += len(event.data)
            if self._chunks > MOST_CHUNKS and self._bytes < MEAN_CHUNK * self._chunks:
                raise h11.RemoteProtocolError("too many chunks")
        return event


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with a limit on how long a client may take to send headers, or to read."""

    read_seconds = 30.0
    stall_seconds = 60.0
    _reading: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.conn = Requests(h11.SERVER, MOST_HEADERS)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._reading = self.loop.call_later(self.read_seconds, self._give_up, "sent no request")

    def data_received(self, data: bytes) -> None:
        """Take bytes; between two requests, their first byte begins a new wait for headers."""
        if self._reading is None and (self.cycle is None or self.cycle.response_complete):
            self._reading = self.loop.call_later(self.read_seconds, self._give_up, "sent no request")
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._heard()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the shape of all errors; behind an answer that was begun, hang up."""
        if self.cycle is not None and not self.cycle.response_complete:  # it was the body of a request
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            error = refused(
                f"this is no HTTP request, its headers are longer than {MOST_HEADERS} bytes, or its body "
                f"comes in more than {MOST_CHUNKS} chunks of less than {MEAN_CHUNK} bytes."
            )
            content = msgspec.json.encode(error.data(new_id()))
            length = str(len(content))
            headers = [
                ("content-type", "application/json"),
                ("content-length", length),
                ("connection", "close"),
            ]
            response = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (response, h11.Data(data=content), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def pause_writing(self) -> None:
        """Wait for a reader that has fallen behind."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.stall_seconds, self._give_up, "read nothing")

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._heard()
        super().connection_lost(exc)  # which resumes writing

    def _heard(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _give_up(self, what: str) -> None:
        if not self.transport.is_closing() or self.flow.write_paused:
            client = self.client[0] if self.client else ""
            log.info("a client %s in time and was dropped", what, extra={FIELDS: {"client": client}})
            self.transport.abort()


def protocol_of(config: ServerConfig) -> type[PatientProtocol]:
    """Return the protocol with a config's patience."""
    patience = {"read_seconds": config.read_seconds, "stall_seconds": config.stall_seconds}
    return type("Protocol", (PatientProtocol,), patience)


class Server(uvicorn.Server):
    """Uvicorn that says where it listens, and lets desks finish while connections wait for them."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        started: Callable[[str], None] | None = None,
        closing: Callable[[], Awaitable[None]] | None = None,
        hurried: Callable[[], None] | None = None,
    ) -> None:
        """Call `started` with the address once it listens, await `closing` when it does no longer.

        `hurried` is called when a second Ctrl-C says that `closing` takes too long.
        """
        super().__init__(config)
        self._on_hurried = hurried
        self._on_started = started
        self._on_closing = closing
        self.address = ""
        self.received: list[int] = []
        """The signals that ended it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            self.address = _address(self.servers[0].sockets[0])
            if self._on_started is not None:
                self._on_started(self.address)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, then end: desks drain while streams send what they tell."""
        closing = asyncio.create_task(self._close())
        await super().shutdown(sockets)
        await closing

    async def _close(self) -> None:
        if self._on_closing is not None:
            await self._on_closing()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a graceful end; unlike uvicorn's own, do not raise them again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self._signalled) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, frame: Any) -> None:
        self.received.append(number)
        if self.should_exit and number == signal.SIGINT:  # asked twice: at once
            self.force_exit = True
            if self._on_hurried is not None:
                self._on_hurried()
        self.should_exit = True


def _address(listener: Any) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def uvicorn_config(app: Any, config: ServerConfig) -> uvicorn.Config:
    """Return uvicorn's settings: limits from our config, logging by us."""
    return uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        http=protocol_of(config),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=config.connections + SPARE_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(config.drain) + GRACE,
    )
