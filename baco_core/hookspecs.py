"""Every hook of BACo on one screen. A plugin implements any of them with `baco_core.hookimpl`.

`register_*` hooks run once at start and are handed a callback that knows its plugin; `on_*` hooks
observe. A factory is a frozen dataclass: its fields are the options a YAML file may set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from baco_core.command import Command
    from baco_core.events import Sample, TokenEvent
    from baco_core.model import Backend
    from baco_core.router import Router
    from baco_core.sampler import Sampler

ENTRY_POINT_GROUP = "baco"
hookspec = pluggy.HookspecMarker("baco")
hookimpl = pluggy.HookimplMarker("baco")


@hookspec
def register_backends(register: Callable[[str, Callable[..., Backend]], None]) -> None:
    """Name the backends: what opens model files."""


@hookspec
def register_routers(register: Callable[[str, Callable[..., Router]], None]) -> None:
    """Name the routers: who speaks next."""


@hookspec
def register_samplers(register: Callable[[str, Callable[..., Sampler]], None]) -> None:
    """Name the samplers: which tokens may be picked."""


@hookspec
def register_bundles(register: Callable[[str, Path], None]) -> None:
    """Name the bundles that come along with a package: name and folder."""


@hookspec
def register_exporters(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Name the exporters: what makes a bundle of a source."""


@hookspec
def register_metrics(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Name the metrics: what measures the samples of a prompt."""


@hookspec
def register_tasks(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Name the tasks: where prompts come from."""


@hookspec
def register_baselines(register: Callable[[str, Callable[..., Any]], None]) -> None:
    """Name the baselines: other ways to decode that are compared with routers."""


@hookspec
def register_commands(register: Callable[[str, Command], None]) -> None:
    """Name the commands of the command line."""


@hookspec
def on_token(event: TokenEvent) -> None:
    """Observe each token as it is written."""


@hookspec
def on_finish(sample: Sample) -> None:
    """Observe each sample as it ends."""


@hookspec
def report_health(report: Callable[[str, str, bool], None]) -> None:
    """Tell `baco doctor` what was found: `report(what, finding, is_fine)`, one call a line."""
