"""/health, /version, /metrics: open to everybody who can reach the server."""

from __future__ import annotations

from typing import Literal

import msgspec
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from baco_core import __version__
from baco_server.api.pairs import LOADING
from baco_server.api.state import state_of

routes = APIRouter(tags=["operations"])


class Health(BaseModel):
    """How the server stands."""

    status: Literal["ready", "loading", "closing", "failed"]
    pairs: dict[str, Literal["ready", "loading", "closing", "failed"]]


class Version(BaseModel):
    """What runs."""

    name: Literal["baco"]
    version: str


@routes.get(
    "/health",
    response_model=Health,
    responses={503: {"model": Health, "description": "Not ready, or no longer."}},
    summary="Say whether requests are taken",
)
async def health(request: Request) -> Response:
    """Answer 200 when every pair takes requests, else 503: while one loads, closes, or has failed."""
    ready, states = state_of(request).pairs.health()
    worst = next((name for name in ("failed", "closing", "loading") if name in states.values()), "ready")
    headers = {"retry-after": str(int(LOADING))} if worst == "loading" else None
    content = msgspec.json.encode({"status": worst, "pairs": states})
    return Response(content, 200 if ready else 503, headers, "application/json")


@routes.get("/version", response_model=Version, summary="Say which version runs")
async def version() -> Response:
    """Name the version."""
    return Response(
        msgspec.json.encode({"name": "baco", "version": __version__}), media_type="application/json"
    )


@routes.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Counts."}},
    summary="Count what happens",
)
def metrics(request: Request) -> Response:
    """Tell counts and times in the text format of Prometheus."""
    registry = request.app.state.metrics.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
