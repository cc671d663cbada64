"""From a sweep's methods to its settings: every value of every knob with every other."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from baco_core.config import Part, plain_data
from baco_core.errors import BacoError
from baco_core.options import Option, Parts, convert
from baco_core.plugins import Plugins
from baco_core.router import Router
from baco_core.where import Where
from baco_eval.records import Setting
from baco_eval.sweep.config import REGENERATE, MethodConfig, SweepConfig

DEFAULT_ID = "default"
"""The id of a setting whose method has no knob."""
Knob = tuple[str, str, Any]
"""Part, option and value."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A setting, and what writes its texts. `method` is None where each text is written anew."""

    setting: Setting
    router: Part
    sampler: Part
    built: Router
    method: Any | None


def cells_of(config: SweepConfig, plugins: Plugins) -> list[Cell]:
    """Return the settings in the order of the config, each checked by building its parts.

    Raises BacoError naming the place of an unknown name, a wrong option or value, or a setting that is
    there twice.
    """
    found: list[Cell] = []
    seen: dict[tuple[str, str], str] = {}
    for index, method in enumerate(config.methods):
        where = Where(config.origin, f"methods[{index}]")
        for cell in _cells(method, config, plugins, where):
            if first := seen.get(cell.setting.key):
                raise where.error(
                    f"{first} has a setting {cell.setting.id!r} of {cell.setting.method!r} already; "
                    "give one a 'label' of its own."
                )
            seen[cell.setting.key] = where.path
            found.append(cell)
    return found


def _cells(method: MethodConfig, config: SweepConfig, plugins: Plugins, where: Where) -> Iterator[Cell]:
    parts = _parts(method, config, where)
    declared = {
        "options": _declared_options(method, plugins, where),
        "router": plugins.routers.options,
        "sampler": plugins.samplers.options,
    }
    grids = [
        [(name, key, value) for value in values]
        for name, part in parts.items()
        for key, values in _grids(part.options, declared[name](part.use), where, name, plugins.parts())
    ]
    for knobs in product(*grids):
        yield _cell(method, parts, knobs, plugins, where)


def _parts(method: MethodConfig, config: SweepConfig, where: Where) -> dict[str, Part]:
    sampler = method.sampler or config.sampler
    return {
        "options": Part(method.use, method.options),
        "router": method.router,
        "sampler": sampler,
    }


def _declared_options(
    method: MethodConfig, plugins: Plugins, where: Where
) -> Callable[[str], Mapping[str, Option]]:
    if method.use == REGENERATE and REGENERATE not in plugins.baselines:
        return lambda name: {}
    plugins.baselines.entry(method.use, where=str(where.key("use")))
    return plugins.baselines.options


def _grids(
    options: Mapping[str, Any], declared: Mapping[str, Option], where: Where, name: str, parts: Parts
) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the options that have several values: a list, where the option itself takes none."""
    place = where.key(name) if name == "options" else where.key(name).key("options")
    for key, value in options.items():
        if key not in declared or not isinstance(value, list) or _fits(value, declared[key], parts):
            continue
        if not value:
            raise place.key(key).error("there is no value in this list.")
        yield key, value


def _fits(value: Any, option: Option, parts: Parts) -> bool:
    try:
        convert(value, option.hint, Where(), parts)
    except BacoError:
        return False
    return True


def _cell(
    method: MethodConfig, parts: Mapping[str, Part], knobs: Sequence[Knob], plugins: Plugins, where: Where
) -> Cell:
    chosen = {name: _set(part, name, knobs, where.origin) for name, part in parts.items()}
    router = plugins.routers.build(chosen["router"], f"{where.path}.router")
    plugins.samplers.build(chosen["sampler"], f"{where.path}.sampler")
    options = {
        "use": method.use,
        **({"options": finite(plain_data(chosen["options"].options))} if method.options else {}),
        "router": finite(plain_data(chosen["router"])),
        "sampler": finite(plain_data(chosen["sampler"])),
    }
    setting = Setting(method.name, setting_id(knobs), options)
    return Cell(
        setting, chosen["router"], chosen["sampler"], router, _built(chosen["options"], plugins, where)
    )


def _set(part: Part, name: str, knobs: Sequence[Knob], origin: str) -> Part:
    values = {key: value for owner, key, value in knobs if owner == name}
    return dataclasses.replace(part, options={**part.options, **values}, origin=origin)


def _built(part: Part, plugins: Plugins, where: Where) -> Any | None:
    if part.use == REGENERATE and REGENERATE not in plugins.baselines:
        if part.options:
            raise where.key("options").error(f"method {REGENERATE!r} has no options.")
        return None
    return plugins.baselines.build(part, where.path)


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
