"""Registries: what plugins have named, and who named it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from baco_core.errors import LookUpError, PluginError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Owner:
    """The plugin an entry came from. `distribution` is empty for a plugin that was handed in."""

    plugin: str
    distribution: str = ""
    version: str = ""
    entry_point: str = ""

    def __str__(self) -> str:
        """Name what a user can uninstall: the distribution and its version."""
        if not self.distribution:
            return f"plugin {self.plugin}"
        return f"{self.distribution} ({self.version or 'unknown version'})"

    def describe(self) -> str:
        """Return plugin, distribution, version and entry point, as error messages name them."""
        known = f"{self.distribution} {self.version}".strip()
        detail = ", ".join(
            part for part in (f"distribution {known}" if known else "", self.entry_point) if part
        )
        return f"plugin {self.plugin!r}" + (f" ({detail})" if detail else "")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One registered thing."""

    kind: str
    name: str
    value: T
    owner: Owner

    def describe(self) -> str:
        """Return how error messages call it: kind, name and plugin."""
        return f"{self.kind.capitalize()} {self.name!r} of {self.owner.describe()}"

    @property
    def where(self) -> str:
        """File and line where the value is defined; empty when Python cannot tell."""
        try:
            file = inspect.getsourcefile(self.value)  # type: ignore[arg-type]
            line = inspect.getsourcelines(self.value)[1]  # type: ignore[arg-type]
        except (TypeError, OSError):
            return ""
        return f"{file}:{line}"


class Registry(Generic[T]):
    """Names of one kind of thing, each with one owner; iterates over the sorted names."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.not_loaded: tuple[str, ...] = ()
        """Installed plugins that were not asked for, which error messages may hint at."""
        self._entries: dict[str, Entry[T]] = {}

    def add(self, name: str, value: T, owner: Owner) -> None:
        """Register a name; PluginError naming both owners when it is taken."""
        self.check_free(name, owner)
        self._entries[name] = Entry(self.kind, name, value, owner)

    def check_free(self, name: str, owner: Owner) -> None:
        """Raise PluginError naming both owners when the name is taken."""
        taken = self._entries.get(name)
        if taken is not None:
            raise taken_twice(self.kind, name, taken.owner, owner)

    def get(self, name: str, *, where: str = "") -> T:
        """Return what is registered; LookUpError names the nearest and lists the rest."""
        return self.entry(name, where=where).value

    def entry(self, name: str, *, where: str = "") -> Entry[T]:
        """Return value and owner; LookUpError names the nearest and lists the rest."""
        try:
            return self._entries[name]
        except KeyError:
            raise self._unknown(name, where) from None

    def _unknown(self, name: str, where: str) -> LookUpError:
        error = LookUpError.unknown(self.kind, name, self._entries, where=where)
        if not self.not_loaded:
            return error
        plugins = ", ".join(self.not_loaded)
        return LookUpError(f"{error} Plugins that are installed but not named under 'plugins': {plugins}.")

    def owner(self, name: str) -> Owner:
        """Return who registered the name."""
        return self.entry(name).owner

    def names(self) -> list[str]:
        """Return the sorted names."""
        return sorted(self._entries)

    def entries(self) -> list[Entry[T]]:
        """Return all entries, sorted by name."""
        return [self._entries[name] for name in self]

    def __contains__(self, name: object) -> bool:
        """Say whether the name is registered."""
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        """Iterate over the sorted names."""
        return iter(self.names())

    def __len__(self) -> int:
        """Count the names."""
        return len(self._entries)


def taken_twice(kind: str, name: str, first: Owner, second: Owner) -> PluginError:
    """Return the error for a name with two owners."""
    one, two = str(first), str(second)
    if one == two and first != second:  # two plugins of one distribution
        one, two = f"{first.plugin} in {one}", f"{second.plugin} in {two}"
    return PluginError(
        f"{kind.capitalize()} {name!r} is registered twice: by {one} and by {two}. "
        "Rename one, or drop a plugin."
    )
