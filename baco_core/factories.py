"""Registries of factories: names from which YAML builds routers, samplers, backends, tasks and the like."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from baco_core.errors import BacoError, PluginError
from baco_core.registry import Entry, Registry
from baco_core.source import Source
from baco_core.where import Where

if TYPE_CHECKING:  # the command line lists plugins' commands without numpy
    from baco_core.config import Part
    from baco_core.guard import GuardedRouter, GuardedSampler
    from baco_core.model import Backend
    from baco_core.options import Option, Parts
    from baco_core.router import Router
    from baco_core.sampler import Sampler

T = TypeVar("T")


class FactoryRegistry(Registry[Callable[..., T]]):
    """A registry whose entries build parts from `use` and `options`.

    `parts` gives the registries that build options which are parts themselves, by type.
    """

    def __init__(self, kind: str, parts: Callable[[], Parts]) -> None:
        super().__init__(kind)
        self.parts = parts

    def build(self, part: Part, where: str) -> T:
        """Return what the part describes; BacoError names the place and the plugin.

        `where` is the part's key in the config, such as `router`.
        """
        place = Where(part.origin, where)
        entry = self.entry(part.use, where=str(place.key("use")))
        return self._checked(self._made(entry, part.options, place.key("options")), entry)

    def build_data(self, data: object, where: Where) -> T:
        """Return what a mapping with `use` and `options` describes."""
        from baco_core.config import Part

        return self.build(Part.from_data(data, where), where.path)

    def options(self, name: str) -> dict[str, Option]:
        """Return the options of a registered name; LookUpError when it is not registered."""
        from baco_core.options import options_of

        return options_of(self.get(name))

    def _made(self, entry: Entry[Callable[..., T]], options: Mapping[str, Any], where: Where) -> T:
        from baco_core.options import build

        try:
            return build(entry.value, options, where, self.parts())
        except BacoError:
            raise
        except Exception as error:
            raise PluginError(
                f"{entry.describe()} could not be built: {type(error).__name__}: {error}."
            ) from error

    def _checked(self, made: T, entry: Entry[Callable[..., T]]) -> T:
        check = CHECKS.get(self.kind)
        return cast(T, check(made, entry.describe())) if check else made


def _check_router(made: object, label: str) -> GuardedRouter:
    """Return the router guarded; PluginError when it is none or asks for rows that don't exist."""
    from baco_core.guard import GuardedRouter

    if not callable(getattr(made, "start", None)):
        raise PluginError(f"{label} is no router: it has no method 'start'.")
    try:
        needs = frozenset(made.needs)  # type: ignore[attr-defined]
    except Exception as error:
        raise PluginError(
            f"{label} cannot say which rows it needs: {type(error).__name__}: {error}."
        ) from error
    wrong = [need for need in needs if not isinstance(need, Source)]
    if wrong:
        there = ", ".join(f"Source.{source.name}" for source in Source)
        raise PluginError(f"{label} asks for rows that don't exist: {wrong[0]!r}. There are: {there}.")
    return GuardedRouter(cast("Router", made), label)


def _check_sampler(made: object, label: str) -> GuardedSampler:
    """Return the sampler guarded; PluginError when it is none."""
    from baco_core.guard import GuardedSampler

    if not callable(getattr(made, "filter", None)):
        raise PluginError(f"{label} is no sampler: it has no method 'filter'.")
    temperature = getattr(made, "temperature", None)
    if not isinstance(temperature, (int, float)) or not 0 <= temperature < math.inf:
        raise PluginError(f"{label} has temperature {temperature!r}; it must be a number from 0.")
    return GuardedSampler(cast("Sampler", made), label)


def _check_backend(made: object, label: str) -> Backend:
    """Return the backend; PluginError when it is none."""
    if not callable(getattr(made, "load", None)):
        raise PluginError(f"{label} is no backend: it has no method 'load'.")
    return cast("Backend", made)


def _check_task(made: object, label: str) -> object:
    """Return the task; PluginError when it is none."""
    if not callable(getattr(made, "prompts", None)):
        raise PluginError(f"{label} is no task: it has no method 'prompts'.")
    return made


def _check_baseline(made: object, label: str) -> object:
    """Return the baseline; PluginError when it is none."""
    if not callable(getattr(made, "messages", None)):
        raise PluginError(f"{label} is no baseline: it has no method 'messages'.")
    return made


def _check_metric(made: object, label: str) -> object:
    """Return the metric; PluginError when it is none, or does not say what it measures."""
    if not callable(getattr(made, "measure", None)):
        raise PluginError(f"{label} is no metric: it has no method 'measure'.")
    for name in ("direction", "range", "formula", "source", "group", "needs"):
        if not hasattr(made, name):
            raise PluginError(f"{label} does not say its {name!r}; give its class this attribute.")
    return made


CHECKS: dict[str, Callable[[object, str], object]] = {
    "router": _check_router,
    "sampler": _check_sampler,
    "backend": _check_backend,
    "task": _check_task,
    "baseline": _check_baseline,
    "metric": _check_metric,
}
