"""The JSON schema of a config, made of what the loaded plugins declare."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from baco_core.config import Config, Part, plain_data
from baco_core.factories import FactoryRegistry
from baco_core.options import Option, is_nested, options_of, shape
from baco_core.plugins import Plugins

DRAFT = "https://json-schema.org/draft/2020-12/schema"
EITHER = {"PairConfig": "bundle", "ExportConfig": "model"}
"""Sections with either this key, or both `base` and `aligned`."""

Schema = dict[str, Any]


def config_schema(plugins: Plugins) -> Schema:
    """Return the schema that a config must satisfy with these plugins loaded."""
    return SchemaBuilder(plugins).config()


class SchemaBuilder:
    """Builds schemas; shared definitions collect under `$defs`."""

    def __init__(self, plugins: Plugins) -> None:
        self._registries = plugins.factories
        self._kinds = {kind: registry.kind for kind, registry in plugins.parts().items()}
        self._definitions: dict[str, Schema] = {}

    def config(self) -> Schema:
        """Return the schema of a whole config."""
        options = options_of(Config)
        schema = {"$schema": DRAFT, "title": "BACo config", **self._object(options)}
        for kind, registry in self._registries.items():
            self._definitions[kind] = self._one_of(registry)
            self._describe(schema["properties"][kind], options[kind], {"$ref": f"#/$defs/{kind}"})
        for name, alone in EITHER.items():
            self._definitions[name]["oneOf"] = [{"required": [alone]}, {"required": ["base", "aligned"]}]
        return {**schema, "$defs": dict(sorted(self._definitions.items()))}

    def factory(self, factory: Callable[..., object]) -> Schema:
        """Return the schema of a factory's options."""
        return self._object(options_of(factory))

    def standalone(self, factory: Callable[..., object]) -> Schema:
        """Return the schema of a factory's options with all that it refers to."""
        schema = self.factory(factory)
        referred = str(schema)
        for kind, registry in self._registries.items():
            if f"#/$defs/{kind}" in referred:
                self._definitions[kind] = self._one_of(registry)
        return {**schema, "$defs": dict(sorted(self._definitions.items()))} if self._definitions else schema

    def _one_of(self, registry: FactoryRegistry[Any]) -> Schema:
        choices = [self._part(name, registry.get(name)) for name in registry]
        return {"oneOf": choices} if choices else {"not": {}}

    def _part(self, name: str, factory: Callable[..., object]) -> Schema:
        options = self.factory(factory)
        return {
            "title": name,
            "description": paragraphs(factory),
            "type": "object",
            "properties": {"use": {"const": name}, "options": options},
            "required": ["use", "options"] if options.get("required") else ["use"],
            "additionalProperties": False,
        }

    def _object(self, options: Mapping[str, Option]) -> Schema:
        required = [name for name, option in options.items() if option.make_default is None]
        schema: Schema = {
            "type": "object",
            "properties": {name: self._option(option) for name, option in options.items()},
            "additionalProperties": False,
        }
        return {**schema, "required": required} if required else schema

    def _option(self, option: Option) -> Schema:
        schema: Schema = {}
        self._describe(schema, option, self._type(option.hint))
        return schema

    @staticmethod
    def _describe(schema: Schema, option: Option, kind: Schema) -> None:
        """Make `schema` describe `option`: its kind, its text and its default."""
        schema.clear()
        schema.update(kind)
        description = _description(option.hint)
        default = plain_data(option.make_default()) if option.make_default else None
        if isinstance(default, float) and math.isinf(default):  # JSON has no infinity
            description, default = f"{description} Default: {'-' if default < 0 else ''}.inf.".strip(), None
        if description:
            schema["description"] = description
        if default is not None:
            schema["default"] = default

    def _type(self, hint: Any) -> Schema:
        kind, arguments = shape(hint)
        if kind in self._kinds:
            return {"$ref": f"#/$defs/{self._kinds[kind]}"}
        if kind is Part or (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            return self._defined(kind)
        parts: Any = self._kinds
        nested = [item for item in arguments if is_nested(item, parts) and shape(item)[0] is not Literal]
        if kind is Literal or not nested:
            return self._leaf(hint)
        if kind in (Union, types.UnionType):
            return {"anyOf": [self._type(item) for item in arguments]}
        if kind in (tuple, list, Sequence):
            return {"type": "array", "items": self._type(nested[0])}
        return {"type": "object", "additionalProperties": self._type(nested[0])}

    def _defined(self, kind: type) -> Schema:
        if kind.__name__ not in self._definitions:
            self._definitions[kind.__name__] = {}  # so that a class may contain itself
            self._definitions[kind.__name__] = {"description": paragraphs(kind), **self.factory(kind)}
        return {"$ref": f"#/$defs/{kind.__name__}"}

    def _leaf(self, hint: Any) -> Schema:
        (schema,), definitions = msgspec.json.schema_components([hint], ref_template="#/$defs/{name}")
        self._definitions.update(definitions)
        return schema


def _description(hint: Any) -> str:
    while get_origin(hint) is Annotated:
        texts = [meta.description for meta in get_args(hint)[1:] if isinstance(meta, msgspec.Meta)]
        if any(texts):
            return " ".join(text for text in texts if text)
        hint = get_args(hint)[0]
    return ""


def paragraphs(thing: object) -> str:
    """Return a docstring with its lines joined; paragraphs stay apart."""
    text = inspect.getdoc(thing) or ""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
