"""Which metrics make planes, and over which prompts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baco_eval.intervals import GROUPS
from baco_eval.records import Setting
from baco_eval.report.measure import Measure

Pair = tuple[str, str]
"""Diversity metric and quality metric."""


def axes_of(
    settings: Sequence[Setting], measures: Sequence[Measure]
) -> tuple[tuple[list[Measure], list[Measure]], str, list[str]]:
    """Return the metrics of diversity and of quality, the stand-in for quality, and what to tell."""
    whole, notes = [], []
    for measure in measures:
        if measure.group in (*GROUPS, "quality") and not _measured_by_all(settings, [measure]):
            notes.append(f"{measure.name} makes no plane: no prompt has it in every setting.")
        elif _measured_by_all(settings, [measure]):
            whole.append(measure)
    diversity = [
        measure for group in GROUPS for measure in whole if measure.group == group and measure.direction
    ]
    quality = [measure for measure in whole if measure.group == "quality" and measure.direction]
    quality, dropped = _without_proxies(quality)
    notes += dropped
    if quality or not diversity:
        return (diversity, quality), "", notes + ([] if diversity else ["No metric of diversity is there."])
    others = sorted((one for one in whole if one.group == "other" and one.direction), key=lambda m: m.name)
    varied = [one for one in others if _varies(settings, one)]
    if not varied:
        return (diversity, []), "", [*notes, "No metric of quality is there, so there is no plane."]
    note = (
        f"No metric of quality was measured. {varied[0].name} stands in for it; it is a check of form, and "
        "says little of how good a text is."
    )
    return (diversity, varied[:1]), varied[0].name, [*notes, note]


def _without_proxies(quality: Sequence[Measure]) -> tuple[list[Measure], list[str]]:
    """Return the metrics but those that stand in for one that is there, and what to tell of these."""
    there = {one.record.metric if one.record else one.name for one in quality}
    proxies = [one for one in quality if one.proxy_for in there]
    notes = [
        f"{one.name} makes no plane: it is a proxy for {one.proxy_for}, which was measured."
        for one in proxies
    ]
    return [one for one in quality if one not in proxies], notes


def _measured_by_all(settings: Sequence[Setting], measures: Sequence[Measure]) -> list[str]:
    """Return the prompts that every metric measured in every setting, in a fixed order."""
    tables = [measure.values.get(setting.key, {}) for measure in measures for setting in settings]
    return sorted(set.intersection(*(set(table) for table in tables))) if tables else []


def _varies(settings: Sequence[Setting], measure: Measure) -> bool:
    values = measure.values
    return len({float(np.mean(list(values[setting.key].values()))) for setting in settings}) > 1


def common(
    settings: Sequence[Setting], axes: tuple[list[Measure], list[Measure]]
) -> tuple[list[Pair], list[str], list[str]]:
    """Return the planes, the prompts they all have, and which metrics share no prompt with the others."""
    if not all(axes):
        return [], [], []
    most = sorted((*axes[1], *axes[0]), key=lambda one: -len(_measured_by_all(settings, [one])))
    taken = [axes[1][0]]
    notes = []
    for measure in most:
        if measure in taken:
            continue
        if _measured_by_all(settings, [*taken, measure]):
            taken.append(measure)
        else:
            notes.append(f"{measure.name} makes no plane: it has no prompt in common with other metrics.")
    names = {measure.name for measure in taken}
    pairs = [(d.name, q.name) for q in axes[1] for d in axes[0] if {d.name, q.name} <= names]
    prompts = _measured_by_all(settings, taken)
    whole = {one.prompt for measure in taken for one in measure.scores}
    if len(prompts) < len(whole):
        notes.append(
            f"Planes are of the {len(prompts)} of {len(whole)} prompts measured in every setting and metric."
        )
    return pairs, prompts, notes
