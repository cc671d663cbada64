"""Serving as a plugin of BACo. Nothing heavy is imported before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.command import Command


@hookimpl
def register_commands(register: Callable[[str, Command], None]) -> None:
    """Name the command."""
    from baco_server.command import COMMAND

    register("serve", COMMAND)
