"""Model ids: NAME, NAME:base, NAME:aligned, NAME@ROUTER."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from baco_core.config import Config, Part
from baco_core.errors import did_you_mean
from baco_core.plugins import Plugins
from baco_core.source import Source
from baco_server.api.errors import ApiError
from baco_server.config import ServeConfig


@dataclass(frozen=True, slots=True)
class Named:
    """What a model id names: a pair, and who decides."""

    id: str
    name: str
    router: Part
    fixed: bool
    """Whether the id itself names the router, so that a request may not name another."""


def resolve(model: str, config: ServeConfig, plugins: Plugins) -> Named:
    """Return what a model id names; ApiError 404 for a pair or a router that is not served."""
    for mark in ("@", ":"):
        name, found, rest = model.rpartition(mark)
        if found and name in config.pairs:
            return _fixed(model, name, rest, mark, config, plugins)
    if model in config.pairs:
        return Named(model, model, config.pairs[model].router, fixed=False)
    raise _unknown(model, model_ids(config, plugins))


def _fixed(model: str, name: str, rest: str, mark: str, config: ServeConfig, plugins: Plugins) -> Named:
    allowed = [*Source] if mark == ":" else open_routers(config, plugins, config.pairs[name])
    if rest not in allowed:
        raise _unknown(model, (f"{name}{mark}{one}" for one in allowed))
    own = config.pairs[name].router
    return Named(model, name, own if own.use == rest else Part(rest), fixed=True)


def _unknown(model: str, allowed: Iterator[str]) -> ApiError:
    hint = did_you_mean(model[:100], list(allowed))
    return ApiError(
        404, f"the model {model[:100]!r} is not served.{hint}", param="model", code="model_not_found"
    )


def open_routers(config: ServeConfig, plugins: Plugins, pair: Config) -> list[str]:
    """Return the routers that requests of a pair may name: all but the closed ones, and its own."""
    closed = set(config.server.closed_routers)
    return [name for name in plugins.routers if name not in closed or name == pair.router.use]


def model_ids(config: ServeConfig, plugins: Plugins) -> Iterator[str]:
    """Yield every id that works as it stands: routers with an option that must be given need a request."""
    for name, pair in config.pairs.items():
        yield name
        yield from (f"{name}:{source}" for source in Source)
        for router in open_routers(config, plugins, pair):
            if router == pair.router.use or _complete(plugins, router):
                yield f"{name}@{router}"


def _complete(plugins: Plugins, router: str) -> bool:
    return all(option.make_default is not None for option in plugins.routers.options(router).values())
