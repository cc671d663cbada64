"""Finds plugins among the installed distributions without importing any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from baco_core.errors import LookUpError, PluginError
from baco_core.hookspecs import ENTRY_POINT_GROUP
from baco_core.registry import Owner

BUILT_IN = ("onnxruntime", "routers", "samplers", "tiny", "eval", "exporters", "server")
"""Entry points of BACo itself, loaded as far as they are installed."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An entry point of the group `baco`."""

    entry_point: EntryPoint
    owner: Owner

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.entry_point.name


def installed_plugins() -> dict[str, list[Installed]]:
    """Return all installed plugins by name; a name that two distributions offer has two."""
    found: dict[str, list[Installed]] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        distribution = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        owner = Owner(point.name, distribution, version or "", point.value)
        found.setdefault(point.name, []).append(Installed(point, owner))
    return found


def wanted(names: Sequence[str], installed: Mapping[str, object]) -> list[str]:
    """Return the built-in plugins that are installed, then those named, each once."""
    return list(dict.fromkeys([*(name for name in BUILT_IN if name in installed), *names]))


def find(name: str, installed: Mapping[str, list[Installed]], where: str) -> Installed:
    """Return an installed plugin; LookUpError when nobody offers the name, PluginError when two do."""
    offers = installed.get(name)
    if not offers:
        raise LookUpError.unknown("plugin", name, installed, where=where)
    if len(offers) > 1:
        one, two = offers[0].owner, offers[1].owner
        raise PluginError(f"Plugin {name!r} is offered twice: by {one} and by {two}. Uninstall one.")
    return offers[0]
