"""`key.json`: which setting wrote what on the pages. Whoever rates must not see it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from baco_core.errors import ConfigError
from baco_eval.sweep.lines import write_whole

KEY_NAME = "key.json"
FORMAT = 1
SCALES = ("diversity", "quality", "creativity")
NO_PREFERENCE = "none"
LETTERS = "ABCD"
WARNING = "Keep this file from the people who rate: it tells which setting wrote which texts."
SettingKey = tuple[str, str]
"""Method and setting."""
T = TypeVar("T")


class Chosen(msgspec.Struct, frozen=True):
    """A setting that is rated, and the share of its tokens that the base model wrote."""

    method: str
    id: str
    base_share: float


class Key(msgspec.Struct, frozen=True):
    """The content of the file.

    `prompts` gives the prompt of each item; `raters` gives by rater, in the order of the page, by item,
    who wrote set A, B and so on. `sweep` leads from the file's folder to the sweep's.
    """

    warning: str
    format: int
    export: str
    salt: str
    seed: int
    texts: int
    rule: str
    sweep: str
    config_sha256: str
    settings: list[Chosen]
    prompts: dict[str, str]
    raters: dict[str, dict[str, list[SettingKey]]]


def sign(salt: str, *parts: Any) -> str:
    """Return 32 hex digits that nobody without the salt can tell or link: the start of an HMAC-SHA-256."""
    text = json.dumps(parts, ensure_ascii=False)
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def shuffled(salt: str, label: str, items: Iterable[T], names: Mapping[T, Any] | None = None) -> list[T]:
    """Return items in an order that the salt and the label settle."""
    return sorted(items, key=lambda item: sign(salt, label, item if names is None else names[item]))


def write_key(key: Key, folder: Path) -> Path:
    """Write the file.

    Raises ConfigError when the folder has the key of another export, without which its ratings are lost.
    """
    path = folder / KEY_NAME
    if path.exists() and read_key(folder).export != key.export:
        raise ConfigError(
            f"{folder}: another export is there, and ratings of it need its {KEY_NAME}; name another folder."
        )
    text = json.dumps(msgspec.to_builtins(key), indent=1, ensure_ascii=False)
    write_whole(path, f"{text}\n".encode())
    return path


def read_key(folder: Path) -> Key:
    """Return an export's key; ConfigError when there is none or it is damaged."""
    path = folder / KEY_NAME
    try:
        key = msgspec.json.decode(path.read_bytes(), type=Key)
    except FileNotFoundError:
        raise ConfigError(
            f"{folder}: this is no folder of baco annotate export (it has no {KEY_NAME})."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the file: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: malformed key: {error}; export again with the same seed.") from error
    if key.format != FORMAT:
        raise ConfigError(f"{path}: format {key.format} is not known; this version reads format {FORMAT}.")
    return key


def letters(sets: Sequence[SettingKey]) -> dict[str, SettingKey]:
    """Return who wrote set A, B and so on."""
    return dict(zip(LETTERS, sets, strict=False))
