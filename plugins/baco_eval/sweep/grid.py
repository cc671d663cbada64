"""From a sweep's methods to its settings: every value of every knob with every other."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from baco_core.config import Part, plain_data
from baco_core.errors import BacoError
from baco_core.factories import FactoryRegistry
from baco_core.options import Option, Parts, convert
from baco_core.plugins import Plugins
from baco_core.router import Router
from baco_core.where import Where
from baco_eval.methods.method import Method
from baco_eval.records import Setting
from baco_eval.sweep.config import CONTROL, MethodConfig, SweepConfig

DEFAULT_ID = "default"
"""The id of a setting whose method has no knob."""
Knob = tuple[str, str, Any]
"""Part, option and value."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A setting, and what writes its texts."""

    setting: Setting
    router: Part
    sampler: Part
    built: Router
    method: Method


def cells_of(config: SweepConfig, plugins: Plugins) -> list[Cell]:
    """Return the settings in the order of the config, controls last, each checked by building its parts.

    Raises BacoError naming the place of an unknown name, a wrong option or value, or a setting that is
    there twice.
    """
    found: list[Cell] = []
    seen: dict[tuple[str, str], str] = {}
    for index, method in sorted(enumerate(config.methods), key=lambda each: each[1].match is not None):
        where = Where(config.origin, f"methods[{index}]")
        made = controls(method, found, plugins, where) if method.match else None
        for cell in _cells(method, config, plugins, where) if made is None else made:
            if first := seen.get(cell.setting.key):
                raise where.error(
                    f"{first} has a setting {cell.setting.id!r} of {cell.setting.method!r} already; "
                    "give one a 'label' of its own."
                )
            seen[cell.setting.key] = where.path
            found.append(cell)
    return found


def controls(method: MethodConfig, cells: Sequence[Cell], plugins: Plugins, where: Where) -> list[Cell]:
    """Return a control for each setting that `method` matches, with its sampler and way to ask.

    Raises ConfigError when no method is called so, or when it is a control itself.
    """
    real = [cell for cell in cells if not cell.setting.matches]
    wanted = [cell for cell in real if cell.setting.method == method.match]
    if not wanted:
        names = dict.fromkeys(cell.setting.method for cell in real)
        raise where.key("match").error(f"no method to match is called {method.match!r}: {', '.join(names)}.")
    return [_control(method.name, cell, plugins) for cell in wanted]


def _control(name: str, cell: Cell, plugins: Plugins) -> Cell:
    router = Part(CONTROL)
    options = {**cell.setting.options, "router": plain_data(router)}
    setting = Setting(name, cell.setting.id, options, cell.setting.key)
    built = plugins.routers.build(router, "match")
    return dataclasses.replace(cell, setting=setting, router=router, built=built)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A part whose options may be grids, and what it is a name of."""

    kind: str
    part: Part
    place: Where
    registry: FactoryRegistry[Any]

    @property
    def options_place(self) -> Where:
        return self.place.key("options")

    def grids(self, parts: Parts) -> Iterator[list[Knob]]:
        """Yield, of each option with several values, these: a list, where the option itself takes none."""
        self.registry.entry(self.part.use, where=str(self.place.key("use")))
        declared = self.registry.options(self.part.use)
        for key, value in self.part.options.items():
            if key not in declared or not isinstance(value, list) or _fits(value, declared[key], parts):
                continue
            if not value:
                raise self.options_place.key(key).error("there is no value in this list.")
            yield [(self.kind, key, item) for item in value]

    def build(self, knobs: Sequence[Knob]) -> tuple[Part, Any]:
        """Return the part with these values, and what it describes."""
        values = {key: value for kind, key, value in knobs if kind == self.kind}
        options = {**self.part.options, **values}
        part = dataclasses.replace(self.part, options=options, origin=self.place.origin)
        return part, self.registry.build(part, self.place.path)


def _cells(method: MethodConfig, config: SweepConfig, plugins: Plugins, where: Where) -> Iterator[Cell]:
    choices = _choices(method, config, plugins, where)
    grids = [grid for choice in choices for grid in choice.grids(plugins.parts())]
    for knobs in product(*grids):
        (asking, asks), (router, built), (sampler, _) = (choice.build(knobs) for choice in choices)
        options = {"router": router, "sampler": sampler}
        if asking.options:
            options["method"] = asking
        data = {"use": method.use, **{name: finite(plain_data(part)) for name, part in options.items()}}
        yield Cell(Setting(method.name, setting_id(knobs), data), router, sampler, built, asks)


def _choices(
    method: MethodConfig, config: SweepConfig, plugins: Plugins, where: Where
) -> tuple[_Choice, _Choice, _Choice]:
    sampler, place = method.sampler, where.key("sampler")
    if sampler is None:
        sampler, place = config.sampler, Where(config.origin, "sampler")
    return (
        _Choice("options", Part(method.use, method.options), where, plugins.baselines),
        _Choice("router", method.router, where.key("router"), plugins.routers),
        _Choice("sampler", sampler, place, plugins.samplers),
    )


def _fits(value: Any, option: Option, parts: Parts) -> bool:
    try:
        convert(value, option.hint, Where(), parts)
    except BacoError:
        return False
    return True


def setting_id(knobs: Sequence[Knob]) -> str:
    """Return the values of the knobs as one name, such as `gamma=0.3,temperature=1.2`.

    It depends on the values alone: 1, 1.0 and 1e0 are one.
    """
    names = [key for _, key, _ in knobs]
    shown = [
        f"{key if names.count(key) == 1 else f'{owner}.{key}'}={_value(value)}" for owner, key, value in knobs
    ]
    return ",".join(shown) or DEFAULT_ID


def finite(value: Any) -> Any:
    """Return plain data with infinities written as YAML writes them: JSON has none."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return value


def _value(value: Any) -> str:
    value = finite(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, float):
        return repr(value)
    return json.dumps(plain_data(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
