"""Calls plugins' hooks one by one, so that whoever raises is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from baco_core import hookspecs
from baco_core.errors import BacoError, PluginError, did_you_mean

if TYPE_CHECKING:
    from baco_core.events import Sample, TokenEvent
    from baco_core.registry import Owner


@dataclass(frozen=True, slots=True)
class Implementation:
    """One plugin's function for one hook."""

    hook: str
    function: Callable[..., object]
    argument_names: tuple[str, ...]
    owner: Owner

    def __call__(self, **arguments: Any) -> None:
        """Call it with the arguments it takes; PluginError names plugin and hook when it raises."""
        try:
            self.function(*(arguments[name] for name in self.argument_names))
        except BacoError:
            raise
        except (Exception, SystemExit) as error:  # its sys.exit() ends one text, not whoever writes it
            place = f"{self.owner.describe()} raised in hook {self.hook!r}"
            raise PluginError(f"{place[0].upper()}{place[1:]}: {type(error).__name__}: {error}.") from error


def new_manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows BACo's hooks and no plugin."""
    manager = pluggy.PluginManager("baco")
    manager.add_hookspecs(hookspecs)
    return manager


def add_plugin(manager: pluggy.PluginManager, plugin: object, owner: Owner) -> list[Implementation]:
    """Register a plugin and return its hooks; PluginError for a hook that is wrong in any way."""
    try:
        manager.register(plugin, name=owner.plugin)
    except (pluggy.PluginValidationError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()
        raise PluginError(f"P{owner.describe()[1:]} does not fit BACo: {' '.join(reason)}.") from error
    try:
        return _checked(manager, plugin, owner)
    except PluginError:
        manager.unregister(plugin)
        raise


def _checked(manager: pluggy.PluginManager, plugin: object, owner: Owner) -> list[Implementation]:
    found = []
    for caller in manager.get_hookcallers(plugin) or ():
        for impl in caller.get_hookimpls():
            if impl.plugin is not plugin:
                continue
            if not caller.has_spec() and not impl.optionalhook:
                raise _misspelt(caller.name, manager, owner)
            if impl.hookwrapper or impl.wrapper:
                raise PluginError(
                    f"Hook {caller.name!r} in {owner.describe()} is a wrapper; BACo's hooks are not wrapped."
                )
            found.append(Implementation(caller.name, impl.function, tuple(impl.argnames), owner))
    unmarked = [name for name in _hook_names(manager) if hasattr(plugin, name)]
    missing = sorted(set(unmarked) - {implementation.hook for implementation in found})
    if missing:
        raise PluginError(
            f"Hook {missing[0]!r} in {owner.describe()} lacks its mark; put @hookimpl above it."
        )
    if not found:
        raise PluginError(
            f"P{owner.describe()[1:]} has no hooks; mark functions with baco_core.hookspecs.hookimpl."
        )
    return found


def _misspelt(name: str, manager: pluggy.PluginManager, owner: Owner) -> PluginError:
    hint = did_you_mean(name, _hook_names(manager), "Hooks")
    return PluginError(f"Hook {name!r} in {owner.describe()} does not exist.{hint}")


def _hook_names(manager: pluggy.PluginManager) -> list[str]:
    return sorted(name for name, caller in vars(manager.hook).items() if caller.has_spec())


class Observers:
    """The observing hooks of all loaded plugins."""

    def __init__(self, manager: pluggy.PluginManager, owners: Mapping[str, Owner]) -> None:
        self._on_token = tuple(in_call_order(manager.hook.on_token, owners))
        self._on_finish = tuple(in_call_order(manager.hook.on_finish, owners))

    def on_token(self, event: TokenEvent) -> None:
        """Show a token to every observer; PluginError names the one that raises."""
        for observe in self._on_token:
            observe(event=event)

    def on_finish(self, sample: Sample) -> None:
        """Show a finished sample to every observer; PluginError names the one that raises."""
        for observe in self._on_finish:
            observe(sample=sample)


def in_call_order(caller: pluggy.HookCaller, owners: Mapping[str, Owner]) -> Iterable[Implementation]:
    """Yield the plugins' functions for a hook in the order in which pluggy calls them."""
    for impl in reversed(caller.get_hookimpls()):
        yield Implementation(caller.name, impl.function, tuple(impl.argnames), owners[impl.plugin_name])
