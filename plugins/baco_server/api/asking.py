"""From the fields of a request to the config of its texts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from baco_core.config import Config, DecodeConfig, Part
from baco_core.plugins import Plugins
from baco_core.source import Source
from baco_server.api.errors import ApiError, refused
from baco_server.api.fields import Asked, BacoField
from baco_server.api.naming import Named
from baco_server.api.pairs import ServedPair
from baco_server.config import ServerConfig

TRACED = 5
"""Likely tokens of each model that a trace tells."""
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
)
INFINITE = {".inf": math.inf, "-.inf": -math.inf}
LARGEST = 2**63
MOST_ITEMS = 10_000
NO_FIELD = BacoField()


def config_of(
    asked: Asked, named: Named, pair: ServedPair, server: ServerConfig, most: int | None, seed: int
) -> Config:
    """Return the pair's config changed as the request says; `most` is its number of tokens.

    Raises ApiError 400 naming the field. What only the router or the sampler can judge is refused by
    the desk.
    """
    config = pair.config
    router = router_part(asked.baco or NO_FIELD, named, config, pair.pipeline.plugins, server.closed_routers)
    _check_bias(asked, router, pair)
    return dataclasses.replace(
        config,
        router=router,
        sampler=sampler_part(asked, config.sampler, pair.pipeline.plugins),
        decode=_decode(asked, config, server, most, seed),
    )


def _decode(asked: Asked, config: Config, server: ServerConfig, most: int | None, seed: int) -> DecodeConfig:
    if asked.n is not None and asked.n > server.max_n:
        raise refused(f"n: at most {server.max_n} texts can be asked for.", "n")
    if most is not None and most > server.max_new_tokens:
        raise refused(f"max_tokens: at most {server.max_new_tokens} can be asked for.", "max_tokens")
    field = asked.baco or NO_FIELD
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop
    given: dict[str, Any] = {
        "n": asked.n or 1,
        "seed": seed,
        "max_new_tokens": most,
        "overflow": "shorten" if most is None else "refuse",  # what nobody asked for needs no room
        "stop": None if stop is None else tuple(stop),
        "schedule": field.schedule,
        "switch_at": field.switch_at,
    }
    changed = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(config.decode, **changed)


def router_part(
    field: BacoField, named: Named, config: Config, plugins: Plugins, closed: Collection[str]
) -> Part:
    """Return who decides: the id's or the request's router, with the request's options over its own."""
    own = named.router
    if field.router is not None and named.fixed and field.router != own.use:
        raise refused(
            f"baco.router: the model {named.id} is router {own.use!r} already, not {field.router!r}; ask "
            f"{named.name}.",
            "baco.router",
        )
    use = own.use if field.router is None else field.router
    options = {**(own.options if use == own.use else {}), **_numbers(field.options or {})}
    if field.gamma is not None:
        _check_gamma(use, plugins)
        options["gamma"] = INFINITE[field.gamma] if isinstance(field.gamma, str) else float(field.gamma)
    part = Part(use, options)
    if part != config.router:
        _check_open(use, field.options or {}, closed)
    return part


def _check_gamma(use: str, plugins: Plugins) -> None:
    if use in plugins.routers and "gamma" not in plugins.routers.options(use):
        raise refused(f"baco.gamma: router {use!r} has no gamma; see /v1/routers.", "baco.gamma")


def _check_open(use: str, options: Mapping[str, Any], closed: Collection[str]) -> None:
    """Refuse a closed router, wherever in the options it hides: it could make us ask any host."""
    named = {use, *_used(options)}
    for name in closed:
        if name in named:
            raise ApiError(
                403, f"baco.router: this server does not let requests set up {name!r}.", param="baco.router"
            )


def _used(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("use"), str):
            yield value["use"]
        for item in value.values():
            yield from _used(item)
    elif isinstance(value, list):
        for item in value:
            yield from _used(item)


def _numbers(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with infinity as a number, which JSON cannot write; ApiError for numbers out of size."""
    return {key: _number(value, f"baco.options.{key[:80]}") for key, value in options.items()}


def _number(value: Any, where: str) -> Any:
    if isinstance(value, str):
        return INFINITE.get(value, value)
    if isinstance(value, Mapping):
        return {key: _number(item, where) for key, item in value.items()}
    if isinstance(value, list):
        if len(value) > MOST_ITEMS:
            raise refused(f"{where}: a list may have at most {MOST_ITEMS} items.", where)
        return [_number(item, where) for item in value]
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise refused(f"{where}: the number is too large.", where)
    return value


def sampler_part(asked: Asked, own: Part, plugins: Plugins) -> Part:
    """Return which tokens may be picked: the pair's own sampler, with the request's fields over its options.

    A pair that is greedy takes them as `multinomial` with temperature 0 does. Another sampler takes what
    it has an option for; ApiError names the first it has not.
    """
    given = {name: getattr(asked, name) for name in SAMPLING if getattr(asked, name) is not None}
    if not given:
        return own
    if given.get("top_k") == -1:
        given["top_k"] = 0
    if "logit_bias" in given:
        given["logit_bias"] = {int(key): value for key, value in given["logit_bias"].items()}
    if own.use == "greedy":
        own = Part("multinomial", {"temperature": 0.0})
    options = plugins.samplers.options(own.use)
    for name in given:
        if name not in options:
            raise refused(f"{name}: this pair's sampler {own.use!r} has no such option.", name)
    return Part(own.use, {**own.options, **given})


def _check_bias(asked: Asked, router: Part, pair: ServedPair) -> None:
    """Refuse token ids that the models do not have, or that mean two things."""
    if not asked.logit_bias:
        return
    opened = pair.pipeline.pair
    alone = {source.value: source for source in Source}.get(router.use)
    if opened.exchange == "text" and alone is None:
        raise refused(
            f"logit_bias: {pair.name} has two vocabularies, so a token id means two things; use it with "
            f"{pair.name}:base or {pair.name}:aligned.",
            "logit_bias",
        )
    size = opened.vocabularies[alone or Source.ALIGNED].size
    for key in asked.logit_bias:
        if int(key) >= size:
            raise refused(f"logit_bias: there is no token {int(key)}; the last is {size - 1}.", "logit_bias")
