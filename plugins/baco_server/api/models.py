"""/v1/models and /v1/routers: what may be asked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from baco_core.config import config_data
from baco_core.defaults import filled_part
from baco_core.schema import SchemaBuilder, paragraphs
from baco_server.api.documents import errors
from baco_server.api.naming import model_ids, open_routers, resolve
from baco_server.api.pairs import Pairs
from baco_server.api.question import Json, json_safe
from baco_server.api.state import State, state_of

routes = APIRouter(tags=["what there is"])


class ModelBaco(BaseModel):
    """What a model id stands for."""

    pair: str
    router: str
    options: dict[str, Any]
    gamma: float | str | None
    ready: Annotated[bool, Field(description="False while the pair loads.")]
    routers: Annotated[list[str], Field(description="What `baco.router` may name.")]
    context: Annotated[int | None, Field(description="The most tokens of prompt and text together.")]


class Model(BaseModel):
    """A model id."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    baco: ModelBaco


class Models(BaseModel):
    """All model ids."""

    object: Literal["list"]
    data: list[Model]


class Gamma(BaseModel):
    """A router's knob."""

    default: float | str | None
    minimum: float | None
    maximum: float | None


class Router(BaseModel):
    """Who may decide."""

    name: str
    description: str
    options: Annotated[dict[str, Any], Field(description="JSON schema of `baco.options`.")]
    gamma: Annotated[Gamma | None, Field(description="None for a router without.")]


class Routers(BaseModel):
    """All routers that a request may name."""

    object: Literal["list"]
    data: list[Router]


@routes.get("/v1/models", response_model=Models, responses=errors(401), summary="List model ids")
async def models(request: Request) -> Response:
    """List the ids: each pair, its two models alone, and the pair under each router."""
    state = state_of(request)
    ids = model_ids(state.pairs.config, state.pairs.plugins)
    return _json({"object": "list", "data": [_model(name, state) for name in ids]})


@routes.get(
    "/v1/models/{model:path}", response_model=Model, responses=errors(401, 404), summary="Describe one"
)
async def model(request: Request, model: str) -> Response:
    """Describe one model id."""
    return _json(_model(model, state_of(request)))


@routes.get("/v1/routers", response_model=Routers, responses=errors(401), summary="List routers")
async def routers(request: Request) -> Response:
    """List the routers with the JSON schema of their options."""
    pairs = state_of(request).pairs
    names = {
        name
        for pair in pairs.config.pairs.values()
        for name in open_routers(pairs.config, pairs.plugins, pair)
    }
    return _json({"object": "list", "data": [_router(name, pairs) for name in sorted(names)]})


def _model(model_id: str, state: State) -> Json:
    pairs = state.pairs
    named = resolve(model_id, pairs.config, pairs.plugins)
    router = filled_part(config_data(named.router), pairs.plugins.routers, pairs.plugins.parts())
    baco = {
        "pair": named.name,
        "router": router["use"],
        "options": router["options"],
        "gamma": router["options"].get("gamma"),
        "ready": named.name in pairs.served,
        "routers": open_routers(pairs.config, pairs.plugins, pairs.config.pairs[named.name]),
        "context": _context(named.name, pairs),
    }
    return {
        "id": model_id,
        "object": "model",
        "created": pairs.begun,
        "owned_by": "baco",
        "baco": json_safe(baco),
    }


def _context(name: str, pairs: Pairs) -> int | None:
    if name not in pairs.served:
        return None
    limits = [model.context_limit for model in pairs.served[name].pipeline.pair.models]
    return min((limit for limit in limits if limit is not None), default=None)


def _router(name: str, pairs: Pairs) -> Json:
    factory = pairs.plugins.routers.get(name)
    options = SchemaBuilder(pairs.plugins).standalone(factory)
    return {
        "name": name,
        "description": paragraphs(factory),
        "options": json_safe(options),
        "gamma": _gamma(name, options["properties"].get("gamma"), pairs),
    }


def _gamma(name: str, schema: Json | None, pairs: Pairs) -> Json | None:
    if schema is None:
        return None
    make_default = pairs.plugins.routers.options(name)["gamma"].make_default
    default = None if make_default is None else make_default()
    return {
        "default": json_safe(default),
        "minimum": schema.get("minimum"),
        "maximum": schema.get("maximum"),
    }


def _json(data: Json) -> Response:
    return Response(msgspec.json.encode(data), media_type="application/json")
