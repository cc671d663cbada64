"""Server-sent events: an answer that is sent while it is written."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from baco_server.api.errors import ApiError, from_failure
from baco_server.api.listening import ClientGoneError, Listening, watched

log = logging.getLogger("baco.serve")
KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}  # proxies must not hold events back


def event(data: bytes) -> bytes:
    """Return one event with JSON, which has no line breaks of its own."""
    return b"data: " + data + b"\n\n"


class EventStream(Response):
    """Sends events as they come. What fails before the first is an ordinary error, later an error event."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], listening: Listening) -> None:
        """Send `events`, which come of `listening`; both end when the client goes."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request_id = Request(scope).scope["baco"].id
        async with watched(receive, self._listening):
            try:
                first = await anext(self._events)
            except ClientGoneError:
                scope["baco"].gone = True
                return
            except ApiError as error:
                await error.response(request_id)(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _body(send, first)
            await self._rest(scope, send, request_id)

    async def _rest(self, scope: Scope, send: Send, request_id: str) -> None:
        try:
            async for data in self._events:
                await _body(send, data)
        except ClientGoneError:
            scope["baco"].gone = True
            return
        except Exception as error:
            failure = from_failure(error)
            if not isinstance(error, ApiError):
                log.error("a stream failed", exc_info=error)
            scope["baco"].failed = failure.code or "error"
            await _body(send, event(msgspec.json.encode(failure.data(request_id))))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _body(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
