"""`baco bench`: measures how fast a pair writes under each schedule, and each of its models alone."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.cli.common import add_config, plugins_of, require_bundle, whole_number
from baco_core.command import Command
from baco_core.errors import ConfigError

if TYPE_CHECKING:
    from baco_core.bench.bench import Bench
    from baco_core.config import Config
    from baco_core.pipeline import Pipeline
    from baco_core.plugins import Plugins

SCHEDULES = "plain,lazy,speculative,auto"
ALONE = "aligned,base"
REPEATS = 7
MOST_REPEATS = 10_000


def _configure(parser: ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--schedules",
        metavar="LIST",
        help=f"which schedules, with commas between (default: those of {SCHEDULES} that the pair can use)",
    )
    parser.add_argument(
        "--alone",
        default=ALONE,
        metavar="LIST",
        help=f"which models to measure alone, or none (default: {ALONE})",
    )
    parser.add_argument(
        "--repeats",
        type=_repeats,
        default=REPEATS,
        metavar="N",
        help=f"runs of each; they take turns, after a warm-up that is not counted (default: {REPEATS})",
    )
    parser.add_argument("--max-new-tokens", type=whole_number, metavar="N", help="the most tokens of a text")
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="prompts, one a line (default: our own)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="keep the JSON in a file as well, written anew after each run",
    )


def _repeats(text: str) -> int:
    value = whole_number(text)
    if not 1 <= value <= MOST_REPEATS:
        raise ArgumentTypeError(f"{value} is not from 1 to {MOST_REPEATS}")
    return value


def _run(options: Namespace) -> int:
    from baco_core.bench.prompts import read_prompts
    from baco_core.bench.variants import checked_alone, checked_schedules
    from baco_core.pipeline import Pipeline

    # 1. whatever the user got wrong comes before any model is opened
    schedules = checked_schedules(options.schedules or SCHEDULES)
    alone = checked_alone(options.alone)
    prompts = read_prompts(options.prompts)
    _check_out(options.out)
    config = _configured(options)
    plugins = plugins_of(config, options)
    require_bundle(config, plugins)
    # 2. open, 3. measure, 4. tell
    pipeline = Pipeline.from_config(config, plugins)
    from baco_core.bench.bench import Bench
    from baco_core.bench.variants import alone_variants, schedule_variants

    variants = [*schedule_variants(pipeline, schedules), *alone_variants(pipeline, alone)]
    bench = Bench(variants, prompts, options.repeats, strict=options.schedules is not None)
    return _measured(bench, _about(pipeline, config, plugins), options)


def _configured(options: Namespace) -> Config:
    from baco_core.config import load_config
    from baco_core.overrides import Override

    shorthands = []
    if options.max_new_tokens is not None:
        flag = f"--max-new-tokens {options.max_new_tokens}"
        shorthands.append(Override(flag, ("decode", "max_new_tokens"), options.max_new_tokens))
    return load_config(options.config, [*options.set, *shorthands])


def _check_out(path: Path | None) -> None:
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"--out: {path} is a folder; name a file.")
    if not path.parent.is_dir():
        raise ConfigError(f"--out: there is no folder {path.parent}; make it first.")


def _about(pipeline: Pipeline, config: Config, plugins: Plugins) -> dict[str, Any]:
    from baco_core.bench.about import about

    return about(pipeline, config, plugins)


def _measured(bench: Bench, about: dict[str, Any], options: Namespace) -> int:
    """Run the bench and print its report: what there is of it, when it is interrupted or fails."""
    from baco_core.bench.keep import keep
    from baco_core.bench.report import report

    try:
        for _ in bench.work(lambda line: print(line, file=sys.stderr, flush=True)):
            if options.out:
                keep(report(bench, about), options.out)
    finally:
        if bench.runs:
            _print(report(bench, about), options.format)
    if options.out:
        keep(report(bench, about), options.out)
    return 0


def _print(result: dict[str, Any], form: str) -> None:
    if form == "json":
        import json

        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False), flush=True)
        return
    from baco_core.bench.table import as_text

    sys.stdout.write(as_text(result))
    sys.stdout.flush()


COMMAND = Command("Measure how fast a pair writes under each schedule.", _configure, _run)
