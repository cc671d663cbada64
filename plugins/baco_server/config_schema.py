"""The JSON schema of a server's config."""

from __future__ import annotations

from typing import Any

from baco_core.plugins import Plugins
from baco_core.schema import DRAFT, SchemaBuilder, config_schema
from baco_server.config import ServerConfig


def serve_schema(plugins: Plugins) -> dict[str, Any]:
    """Return what a file for `baco serve` must satisfy: an ordinary config, or `server` and `pairs`."""
    ordinary = config_schema(plugins)
    definitions = {**ordinary.pop("$defs"), "config": _inner(ordinary)}
    server = SchemaBuilder(plugins).factory(ServerConfig)
    sections = {
        "type": "object",
        "properties": {
            "server": {"description": "How requests come in.", **server},
            "pairs": {
                "description": "A config for each pair, by the name that requests call it.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"$ref": "#/$defs/config"},
            },
        },
        "required": ["pairs"],
        "additionalProperties": False,
    }
    choices = [{"$ref": "#/$defs/config"}, sections]
    return {"$schema": DRAFT, "title": "BACo server config", "anyOf": choices, "$defs": definitions}


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("$schema", "title")}
