"""What BACo imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_core.events import TokenEvent
    from baco_core.router import Router


@hookimpl
def register_routers(register: Callable[[str, Callable[..., Router]], None]) -> None:
    """Name the routers."""
    from acme_routers.routers import Alternate, Veto

    register("alternate", Alternate)
    register("veto", Veto)


@hookimpl
def on_token(event: TokenEvent) -> None:
    """Count tokens by who wrote them."""
    from acme_routers.counter import counts

    counts[event.source] += 1
