"""The numbers of a report as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from baco_eval.frontier import front
from baco_eval.intervals import Interval
from baco_eval.records import FORMAT
from baco_eval.report.caveats import caveats
from baco_eval.report.comparison import REFERENCES, differences, reference_of
from baco_eval.report.read import Material
from baco_eval.report.results import STATISTICS, Results

Rows = Iterable[Sequence[Any]]


def report_json(results: Results, material: Material) -> str:
    """Return everything, as one JSON document (docs/report.md tells each key and its unit)."""
    manifest = material.manifest
    data = {
        "format": FORMAT,
        "task": {"name": manifest.task.name, "sha256": manifest.task.sha256},
        "config_sha256": manifest.config_sha256,
        "bundles": manifest.bundles,
        "versions": manifest.versions,
        "n": manifest.n,
        "seed": manifest.seed,
        "rule": results.rule,
        "resamples": results.resamples,
        "prompts": list(results.prompts),
        "quality_stand_in": results.stand_in or None,
        "metrics": [_metric(results, name) for name in results.measures],
        "settings": [_setting(results, index) for index in range(len(results.settings))],
        "planes": [_plane(results, pair) for pair in results.planes],
        "means": {
            name: {group: _table(results, name, group) for group in results.means[name]}
            for name in STATISTICS
        },
        "controls": sorted(results.controls),
        "references": {kind: reference_of(results, kind) for kind in REFERENCES},
        "differences": {
            name: {
                kind: {group: differences(results, name, group, kind) for group in results.means[name]}
                for kind in REFERENCES
            }
            for name in STATISTICS
        },
        "caveats": caveats(results, material),
    }
    return json.dumps(data, indent=2, ensure_ascii=False, default=_plain, allow_nan=False) + "\n"


def settings_csv(results: Results) -> str:
    """Return each setting's mean of each metric, in the metric's own units."""
    rows = (
        (setting.method, setting.id, name, one.value, one.low, one.high)
        for setting in results.settings
        for name in results.measures
        if (one := results.averages.get((setting.key, name)))
    )
    return _csv(("method", "setting", "metric", "mean", "low", "high"), rows)


def planes_csv(results: Results) -> str:
    """Return Coverage and Dominance of each method in each plane."""
    rows = (
        (d, q, method, statistic, one.value, one.low, one.high)
        for (d, q), plane in results.planes.items()
        for statistic in STATISTICS
        for method in plane.statistics[statistic].values
        for one in [plane.statistics[statistic].interval(method)]
    )
    return _csv(("diversity", "quality", "method", "statistic", "value", "low", "high"), rows)


def differences_csv(results: Results) -> str:
    """Return how far each method is above each reference, in the means over the planes of each group."""
    rows = (
        (group, method, kind, reference_of(results, kind)[method], statistic, one.value, one.low, one.high)
        for statistic in STATISTICS
        for kind in REFERENCES
        for group in results.means[statistic]
        for method, one in differences(results, statistic, group, kind).items()
    )
    head = ("group", "method", "kind", "reference", "statistic", "value", "low", "high")
    return _csv(head, rows)


def means_csv(results: Results) -> str:
    """Return the means over the planes of each group."""
    rows = (
        (group, method, statistic, one.value, one.low, one.high)
        for statistic in STATISTICS
        for group, found in results.means[statistic].items()
        for method in found.values
        for one in [found.interval(method)]
    )
    return _csv(("group", "method", "statistic", "value", "low", "high"), rows)


def _metric(results: Results, name: str) -> dict[str, Any]:
    one = results.measures[name]
    measured = sum(score.value is not None for score in one.scores)
    facts = {"name": name, "group": one.group, "direction": one.direction}
    return {
        **facts,
        "formula": one.formula,
        "source": one.source,
        "measured_with": msgspec.to_builtins(one.record),
        "measured": measured,
        "not_measured": one.reasons,
    }


def _setting(results: Results, index: int) -> dict[str, Any]:
    setting = results.settings[index]
    means = {name: found for name in results.measures if (found := results.averages.get((setting.key, name)))}
    facts = {"method": setting.method, "id": setting.id, "options": setting.options}
    return {**facts, "matches": setting.matches, "means": means}


def _plane(results: Results, pair: tuple[str, str]) -> dict[str, Any]:
    plane = results.planes[pair]
    methods = {
        method: {
            "points": points.tolist(),
            "front": front(points).tolist(),
            **{
                name: found.interval(method)
                for name, found in plane.statistics.items()
                if method in found.values
            },
        }
        for method, points in plane.points.items()
    }
    bounds = {"low": plane.bounds.low, "high": plane.bounds.high}
    return {"diversity": pair[0], "quality": pair[1], "bounds": bounds, "methods": methods}


def _table(results: Results, statistic: str, group: str) -> dict[str, Interval]:
    found = results.means[statistic][group]
    return {method: found.interval(method) for method in found.values}


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return {"value": value.value, "low": value.low, "high": value.high}
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _csv(head: Sequence[str], rows: Rows) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()
