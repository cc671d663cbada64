"""The ASGI app of a server: API, page, and what stands around them."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from baco_core import __version__
from baco_core.errors import ConfigError
from baco_server.api import access, chat, completions, docs, models, status
from baco_server.api.errors import ApiError, from_failure, from_http, refused
from baco_server.api.listening import ClientGoneError
from baco_server.api.openapi import document
from baco_server.api.pairs import Pairs
from baco_server.api.state import State, record_of
from baco_server.config import ServerConfig
from baco_server.edge.edge import Edge
from baco_server.edge.keys import Keys, load_keys
from baco_server.edge.metrics import Metrics
from baco_server.edge.record import HEADER

GONE = 499
"""As others log it when a client hung up; nobody reads the answer."""


def create_app(pairs: Pairs, keys: Keys | None = None) -> ASGIApp:
    """Return the app that serves pairs; whoever runs it loads them and closes them.

    Keys default to those that the config names. Raises ConfigError for keys that cannot be read.
    """
    server = pairs.config.server
    app = FastAPI(
        title="BACo", version=__version__, docs_url=None, redoc_url=None, telemetry=_telemetry(server)
    )
    app.state.baco = State(pairs, load_keys(server) if keys is None else keys)
    app.state.metrics = Metrics(
        lambda: {name: pair.desk.figures() for name, pair in pairs.served.copy().items()}
    )
    for routes in (chat.routes, completions.routes, models.routes):
        app.include_router(routes, dependencies=[Depends(access.check_key)])
    for routes in (status.routes, docs.routes):
        app.include_router(routes)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    _handle_errors(app)
    if server.page:
        app.mount("/", StaticFiles(directory=page_folder(), html=True), name="page")
    if server.cors_origins:
        _allow_origins(app, server)
    return Edge(app, app.state.metrics, server.connections)


def page_folder() -> Path:
    """Return where the page lies."""
    return Path(str(files("baco_server") / "page"))


def _allow_origins(app: FastAPI, server: ServerConfig) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(server.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", HEADER],
        expose_headers=[HEADER, "retry-after"],
    )


def _handle_errors(app: FastAPI) -> None:
    """Answer every error in OpenAI's shape."""

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  what it is registered for
        if isinstance(error, ApiError):
            return error.response(record_of(request).id)
        allowed = _methods(request)
        if error.status_code == 404 and allowed:
            error = HTTPException(405, "Method Not Allowed", {"allow": ", ".join(allowed)})
        elif error.status_code == 405 and not allowed and request.url.path.startswith("/v1/"):
            error = HTTPException(404)  # the page refuses every method but GET, whatever the path
        return from_http(error).response(record_of(request).id)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:]))
        return refused(f"{place}: {first['msg']}.", place).response(record_of(request).id)

    async def failed(request: Request, error: Exception) -> Response:
        return from_failure(error).response(record_of(request).id)

    async def gone(request: Request, error: Exception) -> Response:
        record_of(request).gone = True
        return Response(status_code=GONE)

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientGoneError, gone)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, failed)


def _methods(request: Request) -> list[str]:
    """Return what else a path could be asked with: the page takes every GET that no route does."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    return [
        method
        for method in ("GET", "POST")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


def _telemetry(server: ServerConfig) -> Any:
    """Return FastAPI's settings of OpenTelemetry: all off, or spans and counts without any message."""
    if not server.opentelemetry:
        return {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    if find_spec("opentelemetry.sdk") is None:
        raise ConfigError("server.opentelemetry: it needs pip install 'baco[otel]'.")
    return {"tracing": True, "metrics": True, "logs": False, "operation_spans": False, "auto_configure": True}
