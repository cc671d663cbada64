"""Reads what a report is made of from a sweep's folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.errors import BacoError, ConfigError
from baco_eval.records import Generation, Score, Setting
from baco_eval.report.measure import Measure
from baco_eval.scoring.record import SCORES_NAME, measured_by, metric_of, read_record, scores_path
from baco_eval.scoring.score import read_scores
from baco_eval.sweep.config import load_sweep
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.manifest import CONFIG_NAME, Manifest, read_manifest
from baco_eval.sweep.run import prompts_of
from baco_eval.sweep.store import GENERATIONS_NAME, read_generations
from baco_eval.tasks.task import fingerprint

if TYPE_CHECKING:
    from baco_core.plugins import Plugins

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Material:
    """A sweep's folder, read."""

    manifest: Manifest
    measures: Sequence[Measure]
    generations: Sequence[Generation]
    unscored: Mapping[str, str]
    """Metrics that are registered and have no score: what model they need, or nothing."""
    prompts: Mapping[str, str]
    """The texts of the prompts by id; empty when the task no longer gives those that were swept."""


def manifest_of(folder: Path) -> Manifest:
    """Return a folder's manifest; ConfigError when it is no sweep's, or has one text a prompt."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise ConfigError(
            f"{folder}: this is no sweep's folder (it has no manifest.json); run baco sweep first."
        )
    if manifest.n < 2:
        raise ConfigError(
            f"{folder}: the sweep has n = 1, one text a prompt, and diversity is between texts; "
            "sweep with n of 2 or more."
        )
    return manifest


def read(folder: Path, plugins: Plugins) -> Material:
    """Return what a folder holds.

    Raises ConfigError when it has no scores, LookUpError for scores of a metric that no plugin has, and
    SweepError naming file and line of what is damaged.
    """
    manifest = manifest_of(folder)
    names = sorted(path.stem for path in (folder / SCORES_NAME).glob("*.jsonl"))
    measures = [_measure(folder, name, manifest, plugins) for name in names]
    if not any(measure.scores for measure in measures):
        raise ConfigError(f"{folder}: it has no scores; run baco score first.")
    scored = {measured_by(folder, name) for name in names}
    unscored = {name: _needs(plugins, name) for name in plugins.metrics.names() if name not in scored}
    texts = read_generations(folder / GENERATIONS_NAME)
    return Material(manifest, measures, texts, unscored, _prompts(folder, manifest, plugins))


def _prompts(folder: Path, manifest: Manifest, plugins: Plugins) -> dict[str, str]:
    """Return the prompts as the task gives them now, if they are still those of the sweep."""
    try:
        prompts = prompts_of(load_sweep(folder / CONFIG_NAME), plugins)
    except BacoError as error:
        _LOGGER.info("prompts are shown by id alone: %s", error)
        return {}
    same = fingerprint(prompts) == manifest.task.sha256
    return {prompt.id: prompt.text for prompt in prompts} if same else {}


def _needs(plugins: Plugins, name: str) -> str:
    metric: Any = plugins.metrics.get(name)
    return metric.needs or ""


def _measure(folder: Path, name: str, manifest: Manifest, plugins: Plugins) -> Measure:
    path = scores_path(folder, name)
    metric: Any = metric_of(folder, name, plugins)
    scores = read_scores(folder, name)
    _check(scores, name, manifest.settings, path)
    record, proxy_for = read_record(folder, name), getattr(metric, "proxy_for", "")
    what = (metric.direction, metric.group, metric.formula, metric.source)
    return Measure(name, *what, scores, record, proxy_for)


def _check(scores: Sequence[Score], name: str, settings: Sequence[Setting], path: Path) -> None:
    known = {setting.key for setting in settings}
    seen: dict[tuple[str, str, str], int] = {}
    for number, one in enumerate(scores, 1):
        key = (one.method, one.setting, one.prompt)
        first = seen.setdefault(key, number)
        wrong = (
            f"this is a score of {one.metric!r}"
            if one.metric != name
            else f"the sweep has no setting {one.setting!r} of {one.method!r}"
            if (one.method, one.setting) not in known
            else f"line {first} has this score already"
            if first != number
            else ""
        )
        if wrong:
            raise SweepError(f"{path}:{number}: {wrong}; remove the file and run baco score again.")
