"""From a mapping of options to the frozen dataclass that declares them.

A factory's fields are its options: types and ranges are checked by msgspec, and a field of type
Router, Sampler or Backend is itself a part, written as `{use, options}`.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from baco_core.errors import BacoError, ConfigError, PluginError, did_you_mean
from baco_core.where import Where

T = TypeVar("T")
INTERNAL = {"baco": "internal"}
"""Metadata of a dataclass field that is no option."""


class PartBuilder(Protocol):
    """Builds what `{use, options}` says; a registry of factories is one."""

    @property
    def kind(self) -> str:
        """What it builds, such as `router`."""

    def build_data(self, data: object, where: Where) -> object:
        """Return the built part; BacoError when a name or an option is wrong."""


Parts = Mapping[object, PartBuilder]
"""What builds the values of fields that are parts themselves, by the field's type."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a factory. `make_default` is None when the option must be given."""

    name: str
    hint: Any
    make_default: Callable[[], Any] | None


def build(
    factory: Callable[..., T], options: object, where: Where | str = "", parts: Parts | None = None
) -> T:
    """Return `factory(**options)` with every value checked against the declared type and range.

    Raises ConfigError naming the place for an unknown or missing key, a wrong type, a value out of
    range, and for a ValueError or TypeError of the factory itself.
    """
    place = where if isinstance(where, Where) else Where(path=where)
    declared = options_of(factory)
    given = check_keys(options, declared, place)
    values = {
        name: convert(value, declared[name].hint, place.key(name), parts or {})
        for name, value in given.items()
    }
    try:
        return factory(**values)
    except BacoError:
        raise
    except (TypeError, ValueError) as error:
        raise place.error(f"{str(error).rstrip('.')}.") from error


def options_of(factory: Callable[..., object]) -> dict[str, Option]:
    """Return the options a factory declares, by name; PluginError when its types cannot be read."""
    try:
        found = _declared(factory) if isinstance(factory, type) else _read(factory)
        return {option.name: option for option in found}
    except NameError as error:
        name = getattr(factory, "__qualname__", repr(factory))
        raise PluginError(
            f"The options of {name} cannot be read: {error}. "
            "Import what its annotations name outside TYPE_CHECKING."
        ) from error


@lru_cache(maxsize=256)  # a config is read in several steps, and annotations are slow to evaluate
def _declared(factory: type) -> tuple[Option, ...]:
    return _read(factory)


def _read(factory: Callable[..., object]) -> tuple[Option, ...]:
    return tuple(_fields(factory) if dataclasses.is_dataclass(factory) else _parameters(factory))


def _fields(factory: Any) -> Iterator[Option]:
    hints = get_type_hints(factory, include_extras=True)
    for field in dataclasses.fields(factory):
        if not field.init or field.metadata.get("baco") == "internal":
            continue
        yield Option(field.name, _spread(hints[field.name]), _default(field))


def _default(field: dataclasses.Field[Any]) -> Callable[[], Any] | None:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory
    return None if field.default is dataclasses.MISSING else _constant(field.default)


def _parameters(factory: Callable[..., object]) -> Iterator[Option]:
    for name, parameter in inspect.signature(factory, eval_str=True).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise PluginError(
                f"The options of {factory!r} cannot be read: {parameter} has no name to be set by."
            )
        hint = Any if parameter.annotation is parameter.empty else parameter.annotation
        given = parameter.default is not parameter.empty
        yield Option(name, _spread(hint), _constant(parameter.default) if given else None)


def _spread(hint: Any) -> Any:
    """Return `Annotated[T | None, limits]` with the limits on T, where msgspec wants them."""
    if get_origin(hint) is not Annotated:
        return hint
    union, *notes = get_args(hint)
    members = [member for member in get_args(union) if member is not type(None)]
    if get_origin(union) not in (Union, types.UnionType) or len(members) != 1 or len(get_args(union)) != 2:
        return hint
    limited = operator.getitem(Annotated, (members[0], *notes))
    description = next((note.description for note in notes if isinstance(note, msgspec.Meta)), None)
    return Annotated[limited | None, msgspec.Meta(description=description)]


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def check_keys(data: object, declared: Mapping[str, Option], where: Where) -> dict[str, Any]:
    """Return `data` as a dict whose keys are all declared and complete; else ConfigError."""
    if not isinstance(data, Mapping):
        raise where.error(f"expected a mapping, got {show(data)}.")
    for key in data:
        if key not in declared:
            raise unknown_key(key, declared, where)
    missing = [name for name, option in declared.items() if option.make_default is None and name not in data]
    if missing:
        raise where.error(f"key {missing[0]!r} is missing. Allowed: {sorted(declared)}.")
    return dict(data)


def unknown_key(key: object, allowed: Mapping[str, object], where: Where) -> ConfigError:
    """Return the error for a key nobody declared: nearest name, then all."""
    if not isinstance(key, str):
        return where.error(f"key {key!r} is not text; put quotes around it. Allowed: {sorted(allowed)}.")
    hint = did_you_mean(key, allowed).partition(" Available:")[0]
    return where.error(f"unknown key {key!r}.{hint} Allowed: {sorted(allowed)}.")


def convert(value: Any, hint: Any, where: Where, parts: Parts) -> Any:
    """Return `value` as the type `hint`; ConfigError says what was expected and what was found."""
    kind, arguments = shape(hint)
    if kind in parts:
        return parts[kind].build_data(value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return build(kind, value, where, parts)
    if kind is Literal:
        return _choose(value, arguments, where)
    if kind in (Union, types.UnionType):
        return _convert_optional(value, hint, arguments, where, parts)
    if kind in (tuple, list, Sequence) and arguments and is_nested(arguments[0], parts):
        items = [
            convert(item, arguments[0], where.item(i), parts) for i, item in enumerate(_list(value, where))
        ]
        return items if kind is list else tuple(items)
    if kind in (dict, Mapping) and arguments and arguments[0] is str:
        found = check_mapping(value, where)
        return {name: convert(item, arguments[1], where.key(name), parts) for name, item in found.items()}
    return _leaf(value, hint, where)


def shape(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what a type hint is made of, without its annotations: `(tuple, (int, ...))`, `(int, ())`."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return get_origin(hint) or hint, get_args(hint)


def is_nested(hint: Any, parts: Parts) -> bool:
    """Say whether values of this type hold parts, dataclasses or choices, which we check ourselves."""
    kind, arguments = shape(hint)
    if kind is Literal or kind in parts or (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return True
    return any(is_nested(argument, parts) for argument in arguments if argument is not Ellipsis)


def _convert_optional(value: Any, hint: Any, members: tuple[Any, ...], where: Where, parts: Parts) -> Any:
    nested = [member for member in members if is_nested(member, parts)]
    if value is None and type(None) in members:
        return None
    return convert(value, nested[0], where, parts) if len(nested) == 1 else _leaf(value, hint, where)


def check_mapping(value: object, where: Where) -> dict[str, Any]:
    """Return a mapping whose keys are text; else ConfigError."""
    if not isinstance(value, Mapping):
        raise where.error(f"expected a mapping, got {show(value)}.")
    for key in value:
        if not isinstance(key, str):
            raise where.error(f"key {key!r} is not text; put quotes around it.")
    return dict(value)


def _list(value: object, where: Where) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise where.error(f"expected a list, got {show(value)}.")
    return value


def _choose(value: object, allowed: tuple[Any, ...], where: Where) -> object:
    if any(value == choice and type(value) is type(choice) for choice in allowed):
        return value
    near = (
        did_you_mean(value, map(str, allowed)).partition(" Available:")[0] if isinstance(value, str) else ""
    )
    raise where.error(f"{show(value)} is not allowed.{near} Allowed: {list(allowed)}.")


def _leaf(value: Any, hint: Any, where: Where) -> Any:
    _refuse_nan(value, where)
    try:
        return msgspec.convert(value, type=hint, strict=True)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise _wrong_value(message, path.rstrip("`"), value, where) from error
    except (TypeError, NameError) as error:  # a type msgspec cannot check
        raise PluginError(f"{where}: the declared type {hint!r} is not supported: {error}") from error


def _wrong_value(message: str, path: str, value: object, where: Where) -> ConfigError:
    """Return msgspec's message in the words of YAML."""
    text = message.replace("`", "")
    for word, ours in (("object", "mapping"), ("array", "list"), ("null", "nothing")):
        text = text.replace(word, ours)
    if not path:
        text = f"{text.partition(', got ')[0]}, got {show(value)}"
    place = Where(where.origin, where.path + path)
    return place.error(f"{text[0].lower()}{text[1:]}.")


def _refuse_nan(value: object, where: Where) -> None:
    if isinstance(value, float) and math.isnan(value):
        raise where.error("not a number (.nan) is not allowed.")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_nan(item, where.key(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _refuse_nan(item, where.item(index))


def show(value: object) -> str:
    """Return a value as error messages show it, on one short line."""
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_ranges(instance: Any) -> None:
    """Raise ConfigError when a field of a dataclass that was made in Python is out of its range."""
    for option in options_of(type(instance)).values():
        convert(getattr(instance, option.name), option.hint, Where(path=option.name), {})
