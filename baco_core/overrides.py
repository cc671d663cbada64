"""Changes a config's plain data: folders made absolute, `--set key.key=value`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baco_core.options import options_of, shape, unknown_key
from baco_core.where import Where

_INDEX = re.compile(r"\[(\d+)\]")
_BUNDLES = ("bundle", "base", "aligned")


def anchored(data: Any, folder: Path) -> Any:
    """Return `data` with the folders of its sections `pair` and `export` relative to `folder`.

    A bundle with a slash is a folder, one without is a name. An export source is a folder or a file
    when it begins like a path; otherwise `a/b` is a model of the hub.
    """
    if not isinstance(data, Mapping):
        return data
    changed = dict(data)
    if isinstance(data.get("pair"), Mapping):
        changed["pair"] = _each(data["pair"], _BUNDLES, lambda text: _anchor_bundle(text, folder))
    if isinstance(data.get("export"), Mapping):
        changed["export"] = _each(
            data["export"], (*_BUNDLES, "model"), lambda text: _anchor_source(text, folder)
        )
    return changed


def _each(section: Mapping[Any, Any], keys: tuple[str, ...], change: Callable[[str], str]) -> dict[Any, Any]:
    return {
        key: change(value) if key in keys and isinstance(value, str) else value
        for key, value in section.items()
    }


def _anchor_bundle(text: str, folder: Path) -> str:
    return _absolute(text, folder) if "/" in text or "\\" in text else text


def _anchor_source(text: str, folder: Path) -> str:
    return _absolute(text, folder) if text.startswith(("./", "../", "~", "/")) else text


def _absolute(text: str, folder: Path) -> str:
    return str((folder / Path(text).expanduser()).absolute())


@dataclass(frozen=True, slots=True)
class Override:
    """One value to be set: its place as keys, and the argument it came from, for error messages."""

    label: str
    keys: tuple[str, ...]
    value: Any


def parse_override(text: str) -> Override:
    """Return what `--set key.key=value` says; the value is read as YAML.

    >>> parse_override("methods[1].router.use=p").keys
    ('methods', '1', 'router', 'use')
    """
    from baco_core.config_yaml import parse_yaml

    label = f"--set {text}"
    path, equals, value = text.partition("=")
    keys = tuple(key.strip() for key in _INDEX.sub(r".\1", path).split("."))
    if not equals or not all(keys):
        raise Where(label).error("write it as key.key=value, such as router.options.gamma=0.3.")
    return Override(label, keys, parse_yaml(value, label))


def apply_override(data: dict[str, Any], override: Override, schema: type) -> dict[str, Any]:
    """Return `data` with one value set; ConfigError names the override and the key.

    A number among the keys is an index into a list; folders are relative to the current directory.
    """
    where = Where(override.label)
    _check_path(override.keys, schema, where)
    value = anchored(_nested(override.keys, override.value), Path())
    changed: dict[str, Any] = _merged(data, override.keys, _at(value, override.keys), where)
    return changed


def _check_path(keys: Sequence[str], schema: Any, where: Where) -> None:
    """Refuse a key the config does not have; inside a part's options only its factory knows."""
    listed = False
    for key in keys:
        if not dataclasses.is_dataclass(schema) or not isinstance(schema, type):
            return
        if listed:  # this key is an index, which the value that is there decides about
            listed = False
            continue
        declared = options_of(schema)
        if key not in declared:
            raise unknown_key(key, declared, where)
        kind, arguments = shape(declared[key].hint)
        listed = kind in (tuple, list)
        schema = next((item for item in arguments if dataclasses.is_dataclass(item)), kind)


def _nested(keys: Sequence[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _at(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        value = value[key]
    return value


def _merged(data: Any, keys: Sequence[str], value: Any, where: Where) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(data, list):
        return _merged_item(data, key, rest, value, where)
    if data is not None and not isinstance(data, Mapping):
        raise where.error(f"there is nothing below {data!r} to set.")
    known = dict(data or {})
    return {**known, key: _merged(known.get(key), rest, value, where)}


def _merged_item(data: list[Any], key: str, rest: Sequence[str], value: Any, where: Where) -> list[Any]:
    if not key.isdecimal() or int(key) >= len(data):
        raise where.error(f"{key!r} is no index into a list of {len(data)}.")
    changed = list(data)
    changed[int(key)] = _merged(data[int(key)], rest, value, where)
    return changed
