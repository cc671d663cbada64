"""Loads plugins one by one and collects what they register."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.command import Command
from baco_core.discovery import Installed, find, installed_plugins, wanted
from baco_core.errors import BacoError, PluginError
from baco_core.factories import FactoryRegistry
from baco_core.hooks import Observers, add_plugin, in_call_order, new_manager
from baco_core.registry import Owner, Registry, taken_twice

if TYPE_CHECKING:
    from baco_core.model import Backend
    from baco_core.options import Parts
    from baco_core.router import Router
    from baco_core.sampler import Sampler

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
REGISTERED = (
    "backends",
    "routers",
    "samplers",
    "bundles",
    "exporters",
    "metrics",
    "tasks",
    "baselines",
    "commands",
)
"""What plugins register: each has a hook `register_<name>` and a registry of that name."""
CONFIGURED = ("backends", "routers", "samplers", "bundles")
"""What a config names. Nothing else need be imported to write a text."""


class Plugins:
    """What the loaded plugins have registered."""

    def __init__(self) -> None:
        self.backends: FactoryRegistry[Backend] = FactoryRegistry("backend", self.parts)
        self.routers: FactoryRegistry[Router] = FactoryRegistry("router", self.parts)
        self.samplers: FactoryRegistry[Sampler] = FactoryRegistry("sampler", self.parts)
        self.bundles: Registry[Path] = Registry("bundle")
        self.exporters: Registry[Callable[..., Any]] = Registry("exporter")
        self.metrics: FactoryRegistry[Any] = FactoryRegistry("metric", self.parts)
        self.tasks: FactoryRegistry[Any] = FactoryRegistry("task", self.parts)
        self.baselines: FactoryRegistry[Any] = FactoryRegistry("baseline", self.parts)
        self.commands: Registry[Command] = Registry("command")
        self._manager = new_manager()
        self._owners: dict[str, Owner] = {}
        self.hook = Observers(self._manager, self._owners)
        """The observers: `hook.on_token(event)`, `hook.on_finish(sample)`."""

    @property
    def loaded(self) -> list[Owner]:
        """The loaded plugins in order of loading."""
        return list(self._owners.values())

    def registries(self) -> dict[str, Registry[Any]]:
        """Return every registry by the name of what it holds."""
        return {name: getattr(self, name) for name in REGISTERED}

    @property
    def factories(self) -> dict[str, FactoryRegistry[Any]]:
        """The registries that build the parts of a config, by the part's key there."""
        return {"backend": self.backends, "router": self.routers, "sampler": self.samplers}

    def add(self, plugin: object, owner: Owner, only: Sequence[str] = REGISTERED) -> None:
        """Take in a plugin: all it registers, or nothing and a PluginError.

        `only` limits which kinds it is asked for: the command line needs no more than commands.
        """
        hooks = {hook.hook: hook for hook in add_plugin(self._manager, plugin, owner)}
        try:
            found = [
                entry for kind in only for entry in self._collect(kind, hooks.get(f"register_{kind}"), owner)
            ]
            for kind, name, _ in found:
                getattr(self, kind).check_free(name, owner)
        except BacoError:
            self._manager.unregister(plugin)
            raise
        for kind, name, value in found:
            getattr(self, kind).add(name, value, owner)
        self._owners[owner.plugin] = owner
        self.hook = Observers(self._manager, self._owners)

    def _collect(
        self, kind: str, hook: Callable[..., None] | None, owner: Owner
    ) -> list[tuple[str, str, object]]:
        """Return what one plugin registers of one kind; its callback knows whose it is."""
        found: list[tuple[str, str, object]] = []

        def register(name: str, value: object) -> None:
            _check_entry(kind, name, value, owner)
            if any(name == taken for _, taken, _ in found):
                raise taken_twice(kind.removesuffix("s"), name, owner, owner)
            found.append((kind, name, value))

        if hook is not None:
            hook(register=register)
        return found

    def check_pending(self) -> None:
        """Have pluggy make sure that no hook waits for a specification; each was checked when added."""
        self._manager.check_pending()

    def report_health(self, report: Callable[[str, str, bool], None]) -> None:
        """Let every plugin tell of its health; PluginError names one that raises."""
        for hook in in_call_order(self._manager.hook.report_health, self._owners):
            hook(report=report)

    def parts(self) -> Parts:
        """Return what builds options that are parts themselves, by the type of the option."""
        from baco_core.model import Backend
        from baco_core.router import Router
        from baco_core.sampler import Sampler

        return {Backend: self.backends, Router: self.routers, Sampler: self.samplers}


def load_plugins(
    names: Sequence[str] = (),
    *,
    given: Mapping[str, object] | None = None,
    only: Sequence[str] = REGISTERED,
    failures: list[BacoError] | None = None,
    where: str = "plugins",
    into: Plugins | None = None,
) -> Plugins:
    """Load the built-in plugins, those named and those `given` as modules or objects.

    Nothing else that is installed is imported. A plugin that fails raises PluginError (LookUpError
    for an unknown name), or is left out and added to `failures` where that is given. `into` may hold
    what is registered already.
    """
    plugins = into or Plugins()
    installed = installed_plugins()
    for name in wanted(names, installed):
        with _noting(failures):
            found = find(name, installed, where)
            plugins.add(_import(found), found.owner, only)
    for name, plugin in (given or {}).items():
        with _noting(failures):
            plugins.add(plugin, Owner(name), only)
    plugins.check_pending()
    left_out = tuple(sorted(set(installed) - {owner.plugin for owner in plugins.loaded}))
    for registry in plugins.registries().values():
        registry.not_loaded = left_out
    return plugins


@contextmanager
def _noting(failures: list[BacoError] | None) -> Iterator[None]:
    """Add a BacoError to `failures` instead of raising it, where there is such a list."""
    try:
        yield
    except BacoError as error:
        if failures is None:
            raise
        failures.append(error)


def _import(found: Installed) -> object:
    try:
        return found.entry_point.load()
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        described = found.owner.describe()
        raise PluginError(f"P{described[1:]} could not be imported: {reason.rstrip('.')}.") from error


def _check_entry(kind: str, name: object, value: object, owner: Owner) -> None:
    noun = kind.removesuffix("s")
    blame = f"P{owner.describe()[1:]} registers {noun} {name!r}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"{blame}; a name is made of lower-case letters, digits, '-', '_' and '.'.")
    if kind == "bundles":
        right, wanted = isinstance(value, Path), "a pathlib.Path"
    elif kind == "commands":
        right, wanted = isinstance(value, Command), "a baco_core.command.Command"
    else:
        right, wanted = callable(value), "something that can be called"
    if not right:
        raise PluginError(f"{blame}, but gives {value!r} for it instead of {wanted}.")
    if dataclasses.is_dataclass(value) and not getattr(value, "__dataclass_params__").frozen:  # noqa: B009
        raise PluginError(f"{blame}, but its dataclass is not frozen; write @dataclass(frozen=True).")
