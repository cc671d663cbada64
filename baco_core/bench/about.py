"""On what a bench was run: machine, versions, pair, router, sampler, and what `auto` made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from baco_core.bench.machine import machine, versions
from baco_core.config import Config, Part, config_data
from baco_core.opening import references_of
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_core.source import Source


def about(pipeline: Pipeline, config: Config, plugins: Plugins) -> dict[str, Any]:
    """Return what the figures of this pipeline depend on, as plain data."""
    here = machine()
    return {
        "machine": {"text": str(here), **msgspec.to_builtins(here)},
        "versions": {**versions(), **_reported(plugins)},
        "config": config_data(config),
        "pair": _pair(pipeline, config, plugins),
        "router": _named(config.router),
        "sampler": _named(config.sampler),
        "backend": _named(config.backend),
        "n": config.decode.n,
        "max_new_tokens": config.decode.max_new_tokens,
        "plan": plan_of(pipeline),
    }


def _reported(plugins: Plugins) -> dict[str, str]:
    """Return what plugins say of the runtimes they bring, such as version and providers."""
    found: dict[str, str] = {}
    plugins.report_health(lambda what, text, fine: found.update({what: text}) if fine else None)
    return found


def _pair(pipeline: Pipeline, config: Config, plugins: Plugins) -> dict[str, Any]:
    return {
        "members": _members(config, plugins),
        "exchange": pipeline.pair.exchange,
        "one_copy": len(pipeline.pair.models) < len(Source),
    }


def _members(config: Config, plugins: Plugins) -> dict[str, dict[str, str]]:
    """Return of each source the model's name, its precision and its bundle."""
    found = {}
    for source, reference in references_of(config.pair, plugins.bundles, "pair").items():
        record = reference.bundle.member(reference.member)
        found[str(source)] = {
            "model": record.source.id,
            "precision": record.precision,
            "bundle": reference.bundle.folder.name,
        }
    return found


def _named(part: Part) -> str:
    options = ", ".join(f"{name}={value}" for name, value in part.options.items())
    return f"{part.use} ({options})" if options else part.use


def plan_of(pipeline: Pipeline) -> Mapping[str, str]:
    """Return what `auto` chooses for this pipeline, and why."""
    automatic = replace(pipeline, decode=replace(pipeline.decode, schedule="auto"))
    return {"auto": str(automatic.plan)}
