"""`baco score`: measures the texts of a sweep's folder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.command import Command
from baco_eval.sweep.progress import tell

if TYPE_CHECKING:
    from baco_eval.metrics.named import MetricConfig
    from baco_eval.sweep.config import SweepConfig
    from baco_eval.sweep.manifest import Manifest


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", nargs="?", help="a sweep's folder")
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="a YAML file with a list 'metrics' (default: the sweep's own, else all metrics)",
    )
    parser.add_argument("--metrics", metavar="NAMES", help="measure these alone, with commas in between")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="measure what an unfinished sweep has of whole settings or prompts",
    )
    parser.add_argument("--list", action="store_true", help="show the metrics there are and stop")


def _run(options: Namespace) -> int:
    from baco_core.errors import ConfigError

    if options.list:
        return _list(options.plugin)
    if options.folder is None:
        raise ConfigError("baco score: name a sweep's folder, or pass --list to see the metrics.")
    return _score(options)


def _list(plugins: Sequence[str]) -> int:
    """Print a line a metric: what it is, which way is better, its range, formula, source and model."""
    from baco_core.plugins import load_plugins

    better = {1: "larger", -1: "smaller", 0: "neither"}
    for entry in load_plugins(plugins, only=("metrics",)).metrics.entries():
        one: Any = entry.value
        low, high = one.range
        said = (one.group, better[one.direction], f"{low:g} to {high:g}", one.formula, one.source)
        print("\t".join([entry.name, *said, one.needs or "no model"]))
    return 0


def _score(options: Namespace) -> int:
    from baco_core.plugins import load_plugins
    from baco_eval.models.scorer import writers
    from baco_eval.scoring.choice import choose
    from baco_eval.scoring.finished import finished, told
    from baco_eval.scoring.groups import words_for
    from baco_eval.scoring.score import score
    from baco_eval.sweep.config import load_sweep
    from baco_eval.sweep.lock import locked
    from baco_eval.sweep.manifest import CONFIG_NAME
    from baco_eval.sweep.run import prompts_of

    folder: Path = options.folder
    manifest = _manifest(folder)
    config = load_sweep(folder / CONFIG_NAME)
    plugins = load_plugins([*config.plugins, *options.plugin])
    prompts = prompts_of(config, plugins)
    with locked(folder):
        groups = finished(folder, manifest, prompts, partial=options.partial)
        if part := told(groups, manifest, prompts):
            tell(part)
        known = {"words": words_for(groups), "pair": writers(config.placed_pair())}
        metrics, origin = _listed(options.config, config)
        wanted = [name.strip() for name in options.metrics.split(",")] if options.metrics else []
        chosen = choose(metrics, wanted, plugins, known, origin)
        score(folder, chosen, groups, {prompt.id: prompt for prompt in prompts}, tell)
    return 0


def _manifest(folder: Path) -> Manifest:
    from baco_core.errors import ConfigError
    from baco_eval.sweep.manifest import read_manifest

    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise ConfigError(
            f"{folder}: this is no sweep's folder (it has no manifest.json); run baco sweep first."
        )
    return manifest


def _listed(file: Path | None, sweep: SweepConfig) -> tuple[tuple[MetricConfig, ...], str]:
    """Return the metrics that YAML names, none for all, and the file they are from."""
    from baco_eval.metrics.named import metrics_in, placed_metrics

    origin = sweep.origin if file is None else str(file)
    metrics = sweep.metrics if file is None else metrics_in(file)
    return placed_metrics(metrics, Path(origin).parent), origin


COMMAND = Command("Measure the texts of a sweep; metrics can be added later.", _configure, _run)
