"""The exception tree. Every message is one line: what is wrong, where, and what to do.

BacoError
├── ConfigError      a config, an option or an argument
├── LookUpError      a name nobody registered
├── PluginError      a plugin that cannot be loaded, or that raised
├── BundleError      a bundle that is missing, damaged or unsafe
├── ModelError       a graph or a runtime that cannot do what is asked
│   └── ContextError a prompt longer than a model's context
├── PromptError      a prompt or a chat template
├── ExportError      a source that cannot be fetched or exported
└── InternalError    our own fault (exit code 1; all others exit with 2)
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self


class BacoError(Exception):
    """Base of all errors a user can meet; `exit_code` is what the command line returns."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ConfigError(BacoError):
    """A config, an option or an argument is wrong."""


class LookUpError(BacoError):
    """A name is not registered."""

    @classmethod
    def unknown(cls, kind: str, name: str, available: Iterable[str], *, where: str = "") -> Self:
        """Return the error for `name`: the nearest registered name first, then all of them."""
        prefix = f"{where}: " if where else ""
        return cls(f"{prefix}unknown {kind} {name!r}.{did_you_mean(name, available)}")


class PluginError(BacoError):
    """A plugin cannot be imported or registered, or it raised while it worked."""


class BundleError(BacoError):
    """A bundle is missing, damaged or not safe to read."""


class ModelError(BacoError):
    """A graph or a runtime cannot do what is asked of it."""


class ContextError(ModelError):
    """The tokens do not fit into a model's context."""


class PromptError(BacoError):
    """A prompt or a chat template cannot be used."""


class ExportError(BacoError):
    """A source cannot be fetched, converted or exported."""


class InternalError(BacoError):
    """Something of ours is broken; please report it."""

    exit_code = 1


def did_you_mean(name: str, available: Iterable[str], label: str = "Available") -> str:
    """Return ` Did you mean 'x'? Available: a, b.`, or what of it applies.

    >>> did_you_mean("p-pnuc", ["p", "p-punc"])
    " Did you mean 'p-punc'? Available: p, p-punc."
    """
    names = sorted(available)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} {label}: {', '.join(names) if names else 'none'}."
