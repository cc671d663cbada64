"""Fills in the defaults of a part's options, so that a config shows all that governs a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baco_core.config import plain_data
from baco_core.factories import FactoryRegistry
from baco_core.options import Parts, shape


def filled_part(data: Mapping[str, Any], registry: FactoryRegistry[Any], parts: Parts) -> dict[str, Any]:
    """Return `{use, options}` as plain data with every option that has a default; parts in it likewise."""
    given = data.get("options", {})
    options = {}
    for name, option in registry.options(data["use"]).items():
        if name in given:
            options[name] = _filled(given[name], option.hint, parts)
        elif option.make_default is not None:
            options[name] = plain_data(option.make_default())
    return {"use": data["use"], "options": options}


def _filled(value: Any, hint: Any, parts: Parts) -> Any:
    kind, arguments = shape(hint)
    registry = parts.get(kind)
    if isinstance(registry, FactoryRegistry):
        return filled_part(value, registry, parts)
    if isinstance(value, Sequence) and not isinstance(value, str) and arguments:
        return [_filled(item, arguments[0], parts) for item in value]
    if isinstance(value, Mapping) and len(arguments) == 2:
        return {key: _filled(item, arguments[1], parts) for key, item in value.items()}
    return plain_data(value)
