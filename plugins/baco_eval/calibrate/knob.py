"""The knob of a router: its option gamma, and from where to where it can be turned."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.inspect import FloatType, IntType, Metadata, UnionType, type_info

from baco_core.config import Part
from baco_core.errors import BacoError, ConfigError
from baco_core.plugins import Plugins

if TYPE_CHECKING:
    from baco_core.factories import FactoryRegistry

GAMMA = "gamma"


@dataclass(frozen=True, slots=True)
class Knob:
    """A router and the ends of its gamma: declared limits, else infinities, else large powers of ten."""

    router: Part
    low: float
    high: float
    whole: bool
    """Whether gamma is a whole number."""

    def at(self, gamma: float) -> Part:
        """Return the router with this gamma."""
        value = round(gamma) if self.whole else gamma
        return dataclasses.replace(self.router, options={**self.router.options, GAMMA: value})


def knob_of(router: Part, plugins: Plugins) -> Knob:
    """Return the knob of a router.

    Raises ConfigError when it has no gamma, with the routers that have one, and BacoError when it cannot
    be built with any.
    """
    plugins.routers.entry(router.use, where="router.use")
    number = number_of(plugins, router.use)
    if number is None:
        raise ConfigError(f"router: {router.use!r} has no gamma to calibrate. {_who_has(plugins)}")
    whole = isinstance(number, IntType)
    trial = Knob(router, -math.inf, math.inf, whole)
    taken = [value for value in _candidates(number) if _is_taken(trial.at(value), plugins.routers)]
    if not taken:
        plugins.routers.build(trial.at(1.0), "router")  # raises what is wrong with it
    return dataclasses.replace(trial, low=taken[0], high=taken[-1])


def shown(gamma: float) -> str:
    """Return a gamma as YAML writes it, six digits of it.

    >>> shown(0.25), shown(float("-inf"))
    ('0.25', '-.inf')
    """
    return f"{gamma:g}".replace("inf", ".inf")


def number_of(plugins: Plugins, router: str) -> FloatType | IntType | None:
    """Return the declared limits of a router's gamma; None when it has none, or none that is a number."""
    option = plugins.routers.options(router).get(GAMMA)
    return None if option is None else next(_numbers(type_info(option.hint)), None)


def _numbers(info: Any) -> Iterator[FloatType | IntType]:
    if isinstance(info, Metadata):
        yield from _numbers(info.type)
    elif isinstance(info, UnionType):
        for member in info.types:
            yield from _numbers(member)
    elif isinstance(info, (FloatType, IntType)):
        yield info


def _candidates(number: FloatType | IntType) -> list[float]:
    """Return ends to be tried, rising."""
    whole = isinstance(number, IntType)
    powers = [10.0**exponent for exponent in range(0 if whole else -3, 7)]
    step = 1 if whole else 0
    declared = [
        number.ge,
        number.le,
        None if number.gt is None else _above(number.gt, step, math.inf),
        None if number.lt is None else _above(number.lt, -step, -math.inf),
    ]
    infinite = [] if whole else [-math.inf, math.inf]
    limits = [float(limit) for limit in declared if limit is not None]
    return sorted({*infinite, *(-power for power in powers), 0.0, *powers, *limits})


def _above(limit: float, step: int, towards: float) -> float:
    return limit + step if step else math.nextafter(limit, towards)


def _is_taken(part: Part, routers: FactoryRegistry[Any]) -> bool:
    try:
        routers.build(part, "router")
    except BacoError:
        return False
    return True


def _who_has(plugins: Plugins) -> str:
    have = [name for name in plugins.routers if number_of(plugins, name) is not None]
    lack = [name for name in plugins.routers if name not in have]
    return f"Routers with one: {', '.join(have) or 'none'}; without: {', '.join(lack) or 'none'}."
