"""Reads a server's config from YAML and `--set`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baco_core.config import Config, config_data, config_from_data
from baco_core.config_yaml import read_yaml
from baco_core.errors import ConfigError
from baco_core.options import Option, build, check_mapping, show, unknown_key
from baco_core.overrides import Override, anchored, apply_override, parse_override
from baco_core.where import Where
from baco_server.config import ServeConfig, ServerConfig

SECTIONS = ("server", "pairs")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}")
"""What a pair may be called: `:` and `@` stand between a name and a member or a router."""

_PLACE = re.compile(r"[\w.\[\]]+")
"""How a complaint begins that names a key."""

Data = dict[str, Any]


def load_serve_config(path: Path | None, overrides: Sequence[str] = ()) -> ServeConfig:
    """Read a config file, or take the defaults (the embedded pair), and change it by overrides.

    Folders are relative to the file, those of overrides to the current directory. Raises ConfigError
    naming the file or the override, and the key.
    """
    where = Where("" if path is None else str(path))
    data = _sections({} if path is None else read_yaml(path) or {}, where, path)
    config = serve_config_from_data(data, where.origin)
    for text in overrides:
        override = _placed(parse_override(text), data)
        data = _changed(data, override)
        config = serve_config_from_data(data, override.label)
    return dataclasses.replace(config, origin=where.origin)


def serve_config_from_data(data: Data, origin: str = "") -> ServeConfig:
    """Return the config that `server` and `pairs` describe; ConfigError names `origin` and the key."""
    where = Where(origin)
    server = build(ServerConfig, data.get("server", {}), where.key("server"))
    pairs = check_mapping(data["pairs"], where.key("pairs"))
    if not pairs:
        raise where.key("pairs").error("there is none; name one.")
    named = {name: _pair(name, value, where.key("pairs").key(name)) for name, value in pairs.items()}
    return ServeConfig(named, server, origin)


def name_of(config: Config) -> str:
    """Return what a pair is called after its bundle, or after both where they differ."""
    pair = config.pair
    if pair.bundle is not None:
        return _bare(pair.bundle)
    return "+".join(dict.fromkeys(_bare(_bundle(text)) for text in (pair.base or "", pair.aligned or "")))


def _sections(data: object, where: Where, path: Path | None) -> Data:
    """Return a file as `server` and `pairs`, folders no longer relative to it."""
    found = check_mapping(data, where)
    folder = Path() if path is None else path.parent
    if not any(key in found for key in SECTIONS):
        anchored_data = anchored(found, folder)
        name = _tidy(name_of(config_from_data(anchored_data, where.origin)))
        return {"server": {}, "pairs": {name: anchored_data}}
    for key in found:
        if key not in SECTIONS:
            raise unknown_key(key, dict.fromkeys(SECTIONS), where)
    if "pairs" not in found:
        raise where.error("key 'pairs' is missing. Allowed: ['pairs', 'server'].")
    pairs = check_mapping(found["pairs"], where.key("pairs"))
    server = check_mapping(found.get("server") or {}, where.key("server"))
    keys = server.get("api_keys_file")
    if isinstance(keys, str):
        server["api_keys_file"] = str((folder / Path(keys).expanduser()).absolute())
    return {"server": server, "pairs": {name: anchored(value, folder) for name, value in pairs.items()}}


def _pair(name: str, data: object, where: Where) -> Config:
    if not NAME.fullmatch(name):
        raise where.error(
            f"{name!r} is no name for a pair; use letters, digits and any of '._/+-', the first a letter or "
            "a digit."
        )
    try:
        return config_from_data({} if data is None else data, where.origin)
    except ConfigError as error:
        raise ConfigError(_with_place(str(error), where)) from error


def _with_place(message: str, where: Where) -> str:
    """Return an ordinary config's complaint with the place of that config in ours."""
    prefix = f"{where.origin}: " if where.origin else ""
    rest = message.removeprefix(prefix)
    head, _, _ = rest.partition(":")
    return f"{prefix}{where.path}{'.' if _PLACE.fullmatch(head) else ': '}{rest}"


def _placed(override: Override, data: Data) -> Override:
    """Return an override that begins with a section: with one pair, its keys may stand alone."""
    if override.keys[0] in SECTIONS or len(data["pairs"]) != 1:
        return override
    return dataclasses.replace(override, keys=("pairs", next(iter(data["pairs"])), *override.keys))


def _changed(data: Data, override: Override) -> Data:
    section, *keys = override.keys
    if section == "server" and keys:
        changed = apply_override(
            data["server"], dataclasses.replace(override, keys=tuple(keys)), ServerConfig
        )
        return {**data, "server": changed}
    if section == "pairs" and len(keys) > 1:
        return {**data, "pairs": _changed_pair(data["pairs"], keys, override)}
    if section not in SECTIONS:
        raise unknown_key(section, dict.fromkeys(SECTIONS), Where(override.label))
    raise Where(override.label).error("set one key of it, such as server.port=9000.")


def _changed_pair(pairs: Mapping[str, Any], keys: Sequence[str], override: Override) -> Data:
    """Return the pairs with one value set; a name may hold dots, so the longest that fits counts."""
    for end in range(len(keys) - 1, 0, -1):
        name = ".".join(keys[:end])
        if name in pairs:
            inner = dataclasses.replace(override, keys=tuple(keys[end:]))
            filled = config_data(config_from_data(pairs[name] or {}))
            return {**pairs, name: apply_override(filled, inner, Config)}
    allowed: dict[str, Option | None] = dict.fromkeys(pairs)
    raise unknown_key(keys[0], allowed, Where(override.label).key("pairs"))


def _bundle(text: str) -> str:
    name, colon, member = text.rpartition(":")
    return name if colon and "/" not in member and "\\" not in member else text


def _bare(reference: str) -> str:
    return Path(reference.replace("\\", "/").rstrip("/")).name or show(reference)


def _tidy(name: str) -> str:
    """Return a folder's name as a pair may be called."""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", name).lstrip("._+-")[:100] or "pair"
