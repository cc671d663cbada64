"""The same server as replicas of Ray Serve, each with pairs of its own (extra `ray`).

serve run baco_server.ray_app:app config=/etc/baco/serve.yaml replicas=2

Texts depend on the request alone, so that any replica gives the same answer for a seed. Host and port are
Ray's to set; all else of the config's `server` holds for each replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ray import serve
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from baco_core.config import Config
from baco_core.errors import ConfigError
from baco_core.plugins import load_plugins
from baco_server.api.pairs import Pairs
from baco_server.app import create_app
from baco_server.config import ServeConfig
from baco_server.config_file import load_serve_config
from baco_server.edge.connections import GRACE
from baco_server.edge.logs import configure

HEADER = "x-baco-replica"
"""Names the replica that answered."""
THREADS = "intra_op_threads"


class Options(BaseModel):
    """What `serve run` takes as KEY=VALUE, and the `args` of a Ray Serve config."""

    model_config = ConfigDict(extra="forbid")

    config: Annotated[str | None, Field(description="A file as `baco serve -c` takes it.")] = None
    settings: Annotated[list[str], Field(description="PATH=VALUE, as `baco serve --set` takes it.")] = []
    replicas: Annotated[int, Field(ge=1, description="How many; each holds the pairs in memory.")] = 1
    cpus: Annotated[
        float | None,
        Field(gt=0, description="CPUs that Ray keeps for one; else its intra_op_threads, at least 1."),
    ] = None


def app(args: Mapping[str, Any]) -> Any:
    """Return the application that `args` (see Options) describe.

    The config is read here; keys, plugins and models where a replica runs. Raises ConfigError.
    """
    options = _options(args)
    config = load_serve_config(None if options.config is None else Path(options.config), options.settings)
    seconds = config.server.drain + GRACE
    deployment = serve.deployment(
        name="baco",
        num_replicas=options.replicas,
        max_ongoing_requests=config.server.connections,
        graceful_shutdown_timeout_s=seconds,
        ray_actor_options=_needs(config, options.cpus),
    )
    return deployment(serve.ingress()(Replica)).bind(config)


def _options(args: Mapping[str, Any]) -> Options:
    try:
        return Options.model_validate(args)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        allowed = ", ".join(Options.model_fields)
        raise ConfigError(f"{place}: {first['msg']}; there are {allowed}.") from error


def _needs(config: ServeConfig, cpus: float | None) -> dict[str, float]:
    """Return what a replica takes of a machine, in Ray's words."""
    pairs = config.pairs.values()
    threads = max(int(pair.backend.options.get(THREADS, 1)) for pair in pairs)
    return {"num_cpus": cpus or max(1, threads), "num_gpus": float(any(map(_on_cuda, pairs)))}


def _on_cuda(pair: Config) -> bool:
    return "cuda" in pair.backend.options.get("providers", ())


class Replica:
    """One server without its socket: Ray hands it requests once its pairs are open."""

    def __init__(self, config: ServeConfig) -> None:
        """Open the pairs; raises what keeps one from being opened."""
        configure(config.server)
        self.pairs = Pairs(config, load_plugins(config.plugins))
        self.pairs.load()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Return the app that `baco serve` runs, whose answers name the replica."""
        return Naming(create_app(self.pairs), serve.get_replica_context().replica_id.unique_id)

    def check_health(self) -> None:
        """Raise where a pair can no longer be asked, so that Ray puts another replica in this one's place."""
        ready, states = self.pairs.health()
        if not ready:
            raise RuntimeError(f"pairs: {dict(states)}")

    def __del__(self) -> None:
        """End what Ray did not wait for."""
        if hasattr(self, "pairs"):
            self.pairs.close(0)


class Naming:
    """An ASGI app whose answers say which replica gave them."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        """Name `name` in the answers of `app`."""
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = self._name
            await send(message)

        await self._app(scope, receive, naming)
