"""The exporters as a plugin of BACo: `baco export` and `baco pull`. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.command import Command


@hookimpl
def register_commands(register: Callable[[str, Command], None]) -> None:
    """Name the commands that fetch and export models."""
    from baco_exporters.commands import EXPORT, PULL

    register("export", EXPORT)
    register("pull", PULL)


@hookimpl
def register_exporters(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Name the exporter; it takes an Order and a Progress and returns the Manifest."""
    register("optimum", export_through_optimum)


def export_through_optimum(order: Any, progress: Any) -> Any:
    """Make a bundle: see `baco_exporters.bundle.export_bundle`."""
    from baco_exporters.bundle import export_bundle

    return export_bundle(order, progress)
