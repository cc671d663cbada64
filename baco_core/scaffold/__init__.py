"""Writes a new plugin package: `baco plugins new`."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from baco_core import __version__
from baco_core.discovery import installed_plugins
from baco_core.errors import ConfigError

KINDS = ("metric", "router", "sampler")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_package(name: str, kind: str, folder: Path) -> Path:
    """Write an installable package `folder/name` with a plugin of that kind and return its folder.

    Nothing is written when ConfigError is raised: for a name that cannot be a package's, that is
    taken, or a folder that exists or cannot be written.
    """
    target = folder / name
    _check_name(name)
    if target.exists() or target.is_symlink():
        raise ConfigError(f"{target}: exists already; choose another name or --dir.")
    _check_free(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as scratch:
            _write_files(Path(scratch) / name, kind, _values(name, kind))
            os.rename(Path(scratch) / name, target)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}.") from error
    return target


def _check_name(name: str) -> None:
    module = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > 64:
        raise ConfigError(f"NAME {name!r} must be lower-case words joined by '-', such as 'acme-routers'.")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise ConfigError(f"NAME {name!r} is a word of Python's own; choose another.")


def _check_free(name: str) -> None:
    found = importlib.util.find_spec(name.replace("-", "_"))
    is_package = found is not None and found.origin is not None  # a mere folder is none
    if name in installed_plugins() or is_package:
        raise ConfigError(f"NAME {name!r} is taken by an installed package; choose another.")


def _values(name: str, kind: str) -> dict[str, str]:
    return {
        "name": name,
        "module": name.replace("-", "_"),
        "kind": kind,
        "kinds": f"{kind}s",
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "version": ".".join(__version__.split(".")[:2]),
    }


def _write_files(target: Path, kind: str, values: dict[str, str]) -> None:
    """Fill in every template of `common` and of the kind; MODULE in a path is the module's name."""
    for part in ("common", kind):
        for path, template in _templates(resources.files(__name__) / part, ""):
            written = target / path.removesuffix(".tmpl").replace("MODULE", values["module"])
            written.parent.mkdir(parents=True, exist_ok=True)
            written.write_text(Template(template).substitute(values), "utf-8")


def _templates(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _templates(item, f"{prefix}{item.name}/")
        elif item.name.endswith(".tmpl"):
            yield f"{prefix}{item.name}", item.read_text("utf-8")
