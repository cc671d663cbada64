"""Where in a config a value stands, for error messages."""

from __future__ import annotations

from dataclasses import dataclass

from baco_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Where:
    """A place such as `configs/p.yaml: router.options.gamma`."""

    origin: str = ""
    """A file or a command-line argument; empty for a config that was made in Python."""
    path: str = ""

    def key(self, name: object) -> Where:
        """Return the place of a key in the mapping that stands here."""
        return Where(self.origin, f"{self.path}.{name}" if self.path else str(name))

    def item(self, index: int) -> Where:
        """Return the place of an item in the list that stands here."""
        return Where(self.origin, f"{self.path}[{index}]")

    def error(self, message: str) -> ConfigError:
        """Return the error for what stands here."""
        place = str(self)
        return ConfigError(f"{place}: {message}" if place else message)

    def __str__(self) -> str:
        """Return origin and path, as far as known."""
        return ": ".join(part for part in (self.origin, self.path) if part)
