"""Writes a config with comments that say where its gamma comes from."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from baco_core.config import Config, config_data
from baco_core.config_yaml import to_yaml
from baco_core.errors import ConfigError
from baco_core.replacing import replace_content

WIDTH = 100
KEYED = ("decode", "prompts")
"""Sections of which only the changed keys are written."""


def as_yaml(config: Config, notes: Iterable[str]) -> str:
    """Return the config as YAML, what differs from the defaults, after each note as a comment.

    Reading it back gives an equal config. Folders are absolute.
    """
    lines = [line for note in notes for line in textwrap.wrap(" ".join(note.split()), WIDTH - 2)]
    return "".join(f"# {line}\n" for line in lines) + "\n" + to_yaml(_changed(config))


def _changed(config: Config) -> dict[str, Any]:
    given, default = config_data(config), config_data(Config())
    found = {key: value for key, value in given.items() if key == "router" or value != default.get(key)}
    for key in KEYED:
        if key in found:
            found[key] = {
                name: value for name, value in given[key].items() if value != default[key].get(name)
            }
    return found


def check_out(out: str) -> None:
    """Raise ConfigError unless a file can be made under this name; `-` is standard output."""
    path = Path(out)
    if out == "-":
        return
    if path.is_dir():
        raise ConfigError(f"--out: {path} is a folder; name a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {path.parent}; make it first.")


def write(text: str, path: Path) -> None:
    """Give a file new content, all of it or none; ConfigError when it cannot be written."""
    try:
        replace_content(path, text.encode())
    except OSError as error:
        raise ConfigError(f"--out: {path}: cannot write the file: {error.strerror}.") from error
