"""Which settings people rate: those that are named, or one of each method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from baco_core.errors import ConfigError, LookUpError
from baco_eval.records import Setting
from baco_eval.report.results import by_method

Shares = Mapping[tuple[str, str], float]
"""By method and setting, the share of tokens that the base model wrote."""


def named(text: str, settings: Sequence[Setting]) -> list[Setting]:
    """Return the settings that `METHOD:ID,METHOD:ID` names; ids may have commas and colons of their own.

    Raises LookUpError for an unknown setting and ConfigError for one that is named twice, or alone.
    """
    found = list(_named(text, {f"{one.method}:{one.id}": one for one in settings}))
    twice = [one for index, one in enumerate(found) if one in found[:index]]
    if twice:
        raise ConfigError(f"--settings: {twice[0].method}:{twice[0].id} is named twice.")
    return _two(found, "--settings names")


def _named(text: str, known: Mapping[str, Setting]) -> Iterator[Setting]:
    rest = text
    while rest:
        names = [name for name in known if rest == name or rest.startswith(f"{name},")]
        if not names:
            raise LookUpError.unknown("setting", rest.partition(",")[0], known, where="--settings")
        longest = max(names, key=len)
        yield known[longest]
        rest = rest[len(longest) + 1 :]


def nearest(settings: Sequence[Setting], shares: Shares, wanted: float) -> list[Setting]:
    """Return of each method the setting whose base share is nearest to the wanted one, the first of equals.

    Of controls it is the one that matches a setting so chosen. Raises ConfigError when there is one method
    only.
    """

    def choose(own: Sequence[Setting]) -> Setting:
        return min(own, key=lambda one: abs(shares[one.key] - wanted))

    methods = by_method(settings)
    chosen = {name: choose(own) for name, own in methods.items()}
    keys = {one.key for one in chosen.values() if one.matches is None}
    for name, own in methods.items():
        controls = [one for one in own if one.matches in keys]
        if controls:
            chosen[name] = choose(controls)
    return _two(list(chosen.values()), "one setting of each method is")


def _two(found: list[Setting], what: str) -> list[Setting]:
    if len(found) < 2:
        raise ConfigError(
            f"{what} {len(found)} setting; people compare two or more: name them, as --settings "
            "METHOD:ID,METHOD:ID."
        )
    return found
