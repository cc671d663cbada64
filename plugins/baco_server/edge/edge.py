"""The outermost layer: an id, a log line, counts and safe headers for every request."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from baco_server.api.errors import ApiError
from baco_server.edge.logs import FIELDS, LOGGER
from baco_server.edge.metrics import Metrics
from baco_server.edge.record import HEADER, Record, request_id

log = logging.getLogger(LOGGER)
SAFE = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
"""Nothing of ours loads from another host, runs inline, or shows inside a frame."""
MOST_HEADERS = 200
"""Ten times what browsers and proxies send together; their bytes are limited by `connections`."""
TOO_MANY = ApiError(431, f"the request has more than {MOST_HEADERS} headers, the most this server takes.")
QUIET = ("/health", "/metrics")
"""Asked every few seconds by machines; logged as debug."""


class Edge:
    """An ASGI app around the API."""

    def __init__(self, app: ASGIApp, metrics: Metrics, most: int) -> None:
        """Pass requests on to `app`, at most `most` at the same time."""
        self._app = app
        self._metrics = metrics
        self._most = most
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; lifespan events pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(request_id(scope))
        method = scope["method"]
        scope = {**scope, "baco": record, "method": "GET" if method == "HEAD" else method}
        began = time.perf_counter()
        self._running += 1
        try:
            await self._guarded(scope, receive, _noting(record, method, send), record)
        finally:
            self._running -= 1
            self._tell({**scope, "method": method}, record, time.perf_counter() - began)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        """Answer, whatever happens inside."""
        if self._running > self._most:
            busy = ApiError(503, "the server is busy; try again soon.", code="overloaded", retry_after=1)
            await busy.response(record.id)(scope, receive, send)
            return
        if len(scope["headers"]) > MOST_HEADERS:
            await TOO_MANY.response(record.id)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log.error("a request failed", exc_info=error, extra={FIELDS: {"id": record.id}})
            if not record.status:
                failure = ApiError(500, "something of ours failed; the log tells more under this request id.")
                await failure.response(record.id)(scope, receive, send)

    def _tell(self, scope: Scope, record: Record, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "") or "other"
        status = "499" if record.gone else str(record.status)
        self._metrics.count(scope["method"] if route != "other" else "-", route, status, seconds)
        level = logging.DEBUG if route in QUIET else logging.INFO
        log.log(level, "request", extra={FIELDS: _fields(scope, record, route, int(status), seconds)})


def _fields(scope: Scope, record: Record, route: str, status: int, seconds: float) -> dict[str, object]:
    """Return what a log line tells of a request: nothing that a client could have hidden a text in."""
    client = scope.get("client")
    found: dict[str, object] = {
        "id": record.id,
        "method": scope["method"][:16],
        "route": route,
        "status": status,
        "seconds": round(seconds, 4),
        "client": client[0] if client else "",
    }
    if record.completion_tokens or record.prompt_tokens:
        found |= {
            "stream": record.stream,
            "prompt_tokens": record.prompt_tokens,
            "cached_tokens": record.cached_tokens,
            "completion_tokens": record.completion_tokens,
        }
    more = {"model": record.model if status < 400 or status == 499 else "", "failed": record.failed}
    return {**found, **{key: value for key, value in more.items() if value}, **record.more}


def _noting(record: Record, method: str, send: Send) -> Send:
    """Return a `send` that notes the status and adds our headers, and leaves out the body for HEAD."""

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            record.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = record.id
            for name, value in SAFE.items():
                headers.setdefault(name, value)
        elif method == "HEAD":
            message = {**message, "body": b""}
        await send(message)

    return noting
