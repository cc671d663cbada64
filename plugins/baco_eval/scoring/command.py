"""`baco score`: measures the texts of a sweep's folder."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.command import Command

if TYPE_CHECKING:
    from baco_core.plugins import Plugins
    from baco_eval.metrics.metric import Metric


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a sweep's folder")
    parser.add_argument(
        "--metrics",
        metavar="NAMES",
        help="metrics to measure, with commas in between (default: all that need no model)",
    )


def _run(options: Namespace) -> int:
    from baco_core.errors import ConfigError
    from baco_core.plugins import load_plugins
    from baco_eval.models.scorer import writers
    from baco_eval.scoring.groups import groups_of, words_for
    from baco_eval.scoring.score import score
    from baco_eval.sweep.config import load_sweep
    from baco_eval.sweep.lock import locked
    from baco_eval.sweep.manifest import CONFIG_NAME, read_manifest
    from baco_eval.sweep.run import prompts_of
    from baco_eval.sweep.store import GENERATIONS_NAME, read_generations

    folder: Path = options.folder
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise ConfigError(
            f"{folder}: this is no sweep's folder (it has no manifest.json); run baco sweep first."
        )
    config = load_sweep(folder / CONFIG_NAME)
    plugins = load_plugins([*config.plugins, *options.plugin])
    prompts = {prompt.id: prompt for prompt in prompts_of(config, plugins)}
    with locked(folder):
        there, size = (
            read_generations(folder / GENERATIONS_NAME),
            len(manifest.settings) * len(prompts) * config.n,
        )
        if len(there) < size:  # all settings are cut to common lengths, so all must be there
            raise ConfigError(f"{folder}: {len(there)} of {size} texts are there; finish baco sweep first.")
        groups = groups_of(there, config.n)
        known = {"words": words_for(groups), "pair": writers(config.placed_pair())}
        metrics = _metrics(plugins, options.metrics, known)
        score(folder, metrics, groups, prompts, lambda line: print(line, file=sys.stderr, flush=True))
    return 0


def _metrics(plugins: Plugins, wanted: str | None, known: Mapping[str, object]) -> dict[str, Metric]:
    """Return the metrics asked for, given what they want to know: to how many words to cut, who wrote."""
    from baco_core.config import Part

    names = [name.strip() for name in wanted.split(",")] if wanted else plugins.metrics.names()
    found: dict[str, Any] = {}
    for name in names:
        given = {key: value for key, value in known.items() if key in plugins.metrics.options(name)}
        metric = plugins.metrics.build(Part(name, given), "--metrics")
        if wanted or metric.needs is None:
            found[name] = metric
    return found


COMMAND = Command("Measure the texts of a sweep; metrics can be added later.", _configure, _run)
