"""The knee of a measured trade-off: where another step of gamma begins to cost more than it gives.

In each plane of a diversity and a quality metric, both so that larger is better, a router's settings are
scaled to [0, 1] by their own least and largest values. Where the two trade off, the curve's ends are then the
corners (0, 1) and (1, 0), and a setting's height above the chord between them is (d + q - 1) / sqrt(2). The
knee is the setting with the largest mean height: planes are averaged in their group, lexical or semantic,
and then the groups, as Coverage is. It is never dominated by another setting in the mean plane.

This is the difference curve of Satopaa et al. 2011, "Finding a 'Kneedle' in a haystack" (ICDCS workshops,
doi 10.1109/ICDCSW.2011.20), for a falling curve, at its global maximum and without smoothing: a sweep has
few settings.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baco_core.config import Config, Part
from baco_core.errors import ConfigError, LookUpError
from baco_eval.calibrate.knob import GAMMA
from baco_eval.frontier import bounds, normalise
from baco_eval.records import Setting
from baco_eval.report.read import read
from baco_eval.report.results import Results, compute
from baco_eval.sweep.config import REGENERATE, load_sweep
from baco_eval.sweep.manifest import CONFIG_NAME

if TYPE_CHECKING:
    from baco_core.plugins import Plugins

SHARE = "base-share"
FEWEST = 3


@dataclass(frozen=True, slots=True)
class Knee:
    """The setting at the knee, and what it was chosen among."""

    router: Part
    sampler: Part
    gamma: float
    height: float
    """Mean height above the chord, in the unit square."""
    settings: int
    planes: int
    share: float | None
    """The base share there, the mean over prompts, if it was scored."""
    notes: Sequence[str]


def heights(
    planes: Mapping[tuple[str, str], ArrayLike], groups: Mapping[str, str]
) -> NDArray[np.float64] | None:
    """Return each setting's mean height above the chord, shape (s,); None if no plane has any extent.

    `planes` has (diversity metric, quality metric) as keys and points, shape (s, 2), in the same order of
    settings, larger being better; `groups` gives each diversity metric's group. Planes in which all settings
    have the same diversity or quality are left out. Raises ConfigError as `frontier.bounds` does.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    for (diversity, _), points in planes.items():
        within = bounds([points])
        if all(low < high for low, high in zip(within.low, within.high, strict=True)):
            above = (normalise(points, within).sum(axis=1) - 1) / math.sqrt(2)
            found.setdefault(groups[diversity], []).append(above)
    if not found:
        return None
    means: NDArray[np.float64] = np.mean([np.mean(each, axis=0) for each in found.values()], axis=0)
    return means


def knee(folder: Path, plugins: Plugins, router: str | None = None) -> Knee:
    """Return the knee of a method of a scored sweep; `router` is what the sweep calls the method.

    Raises BacoError when the folder cannot be read or is not scored, when no method or several have a gamma
    and none is named, and when there is no knee: fewer than three settings, other knobs than gamma, settings
    that are all one point, or none above the chord.
    """
    material = read(folder, plugins)
    method, settings = _method(material.manifest.settings, router, folder)
    results = compute(settings, material.measures, resamples=1)
    points = {pair: plane.points[method] for pair, plane in results.planes.items()}
    if not points:
        raise ConfigError(f"{folder}: there is no plane: {' '.join(results.notes)}")
    groups = {name: measure.group for name, measure in results.measures.items()}
    above = heights(points, groups)
    if above is None:
        raise ConfigError(
            f"{folder}: all settings of {method!r} have the same diversity or quality, so there is no knee."
        )
    best = int(np.argmax(above))
    if above[best] <= 0:
        raise ConfigError(
            f"{folder}: no setting of {method!r} lies above the chord between the ends of its curve: there "
            "is no knee; choose a base share with --share."
        )
    return _knee(settings, best, float(above[best]), len(points), results)


def config_at(found: Knee, folder: Path) -> Config:
    """Return what the texts of the setting at the knee were written with, but for `n` and the date."""
    sweep = load_sweep(folder / CONFIG_NAME)
    config = sweep.config(found.router, found.sampler, str(date.today()))
    decode = dataclasses.replace(config.decode, n=1)
    return dataclasses.replace(config, decode=decode, prompts=sweep.prompts)


def _knee(settings: Sequence[Setting], best: int, height: float, planes: int, results: Results) -> Knee:
    setting = settings[best]
    router, sampler = (Part(**_read(setting.options[kind])) for kind in ("router", "sampler"))
    share = results.averages.get((setting.key, SHARE))
    return Knee(
        router=router,
        sampler=sampler,
        gamma=router.options[GAMMA],
        height=height,
        settings=len(settings),
        planes=planes,
        share=None if share is None else share.value,
        notes=results.notes,
    )


def _method(settings: Sequence[Setting], router: str | None, folder: Path) -> tuple[str, list[Setting]]:
    """Return the method with a gamma that is meant, and its settings by rising gamma."""
    found: dict[str, list[Setting]] = {}
    for setting in settings:
        if setting.options.get("use") == REGENERATE and _gamma(setting) is not None:
            found.setdefault(setting.method, []).append(setting)
    if not found:
        raise ConfigError(f"{folder}: no method of this sweep that writes each text anew has a gamma.")
    if router is None and len(found) > 1:
        names = ", ".join(found)
        raise ConfigError(f"{folder}: several methods have a gamma ({names}); name one with --router.")
    name = router or next(iter(found))
    if name not in found:
        raise LookUpError.unknown("method with a gamma", name, found, where=str(folder))
    own = sorted(found[name], key=lambda setting: _gamma(setting) or 0.0)
    if len({repr(_without_gamma(setting)) for setting in own}) > 1:
        raise ConfigError(f"{folder}: settings of {name!r} differ in more than gamma; a knee is of one knob.")
    if len(own) < FEWEST:
        raise ConfigError(
            f"{folder}: {name!r} has {len(own)} of the {FEWEST} settings that a knee needs at least; "
            "sweep more values of gamma."
        )
    return name, own


def _gamma(setting: Setting) -> float | None:
    value = _read(setting.options.get("router", {})).get("options", {}).get(GAMMA)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _without_gamma(setting: Setting) -> dict[str, Any]:
    router = setting.options["router"]
    options = {name: value for name, value in router["options"].items() if name != GAMMA}
    return {**setting.options, "router": {**router, "options": options}}


def _read(value: Any) -> Any:
    """Return a setting's data with infinities as numbers again; JSON has none."""
    if isinstance(value, dict):
        return {key: _read(item) for key, item in value.items()}
    return float(value.replace(".", "")) if value in (".inf", "-.inf") else value
