"""`baco plugins`: list, new."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.command import Command

if TYPE_CHECKING:
    from baco_core.errors import BacoError
    from baco_core.plugins import Plugins
    from baco_core.registry import Owner

HEADER = ("PLUGIN", "DISTRIBUTION", "VERSION", "REGISTERS", "WHERE")


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    show = actions.add_parser("list", help="list installed plugins and what they register")
    show.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="also load the plugins a config names"
    )
    show.add_argument("--all", action="store_true", help="load every installed plugin")
    show.set_defaults(run=_list)
    new = actions.add_parser("new", help="write a package with a plugin of your own, ready to be installed")
    new.add_argument("name", metavar="NAME", help="the package's name, such as acme-routers")
    new.add_argument(
        "--kind", choices=("router", "sampler", "metric"), default="router", help="default: router"
    )
    new.add_argument(
        "--dir", type=Path, default=Path(), metavar="FOLDER", help="where the folder NAME is made"
    )
    new.set_defaults(run=_new)


def _list(options: Namespace) -> int:
    from baco_core.config import load_config
    from baco_core.discovery import BUILT_IN, installed_plugins
    from baco_core.plugins import load_plugins

    installed = installed_plugins()
    named = [*(load_config(options.config).plugins if options.config else ()), *options.plugin]
    if options.all:
        named += [name for name in installed if name not in BUILT_IN]
    failures: list[BacoError] = []
    plugins = load_plugins(named, failures=failures)
    rest = [
        offer.owner for name, offers in installed.items() for offer in offers if not _is_loaded(name, plugins)
    ]
    rows = [*_rows(plugins), *((*_identity(owner), "(not loaded)", owner.entry_point) for owner in rest)]
    sys.stdout.write(table([HEADER, *rows]))
    for failure in failures:
        print(f"baco: error: {failure}", file=sys.stderr)
    return 2 if failures else 0


def _is_loaded(name: str, plugins: Plugins) -> bool:
    return any(owner.plugin == name for owner in plugins.loaded)


def _identity(owner: Owner) -> tuple[str, str, str]:
    return owner.plugin, owner.distribution or "-", owner.version or "-"


def _rows(plugins: Plugins) -> Iterator[tuple[str, ...]]:
    for owner in plugins.loaded:
        registered = list(_registered(plugins, owner)) or ["(observes)"]
        yield (*_identity(owner), registered[0], owner.entry_point or "-")
        yield from (("", "", "", line, "") for line in registered[1:])


def _registered(plugins: Plugins, owner: Owner) -> Iterator[str]:
    for kind, registry in plugins.registries().items():
        names = [entry.name for entry in registry.entries() if entry.owner == owner]
        if names:
            yield f"{kind}: {', '.join(names)}"


def table(rows: Sequence[Iterable[str]]) -> str:
    """Return rows as lines with aligned columns."""
    cells = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _new(options: Namespace) -> int:
    from baco_core.scaffold import write_package

    folder = write_package(options.name, options.kind, options.dir)
    print(f"{folder}")
    steps = f"pip install -e '{folder}[test]' && pytest {folder}"
    print(f"Next: {steps}; then name it in a config: plugins: [{options.name}]", file=sys.stderr)
    return 0


COMMAND = Command("List plugins, or start one of your own.", _configure, lambda _: 2)
