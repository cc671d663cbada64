"""`baco sweep`: writes the texts of a grid of settings over a task, and goes on where it ended."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.command import Command

if TYPE_CHECKING:
    from baco_eval.sweep.run import Sweep


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", required=True, help="a sweep (YAML)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        required=True,
        help="the folder of the texts; the same command goes on where it ended",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="set one value of the sweep, such as n=3 (again for more)",
    )
    parser.add_argument("--list", action="store_true", help="show the settings and stop")


def _run(options: Namespace) -> int:
    from baco_core.plugins import load_plugins
    from baco_eval.sweep.config import load_sweep
    from baco_eval.sweep.run import Sweep

    config = load_sweep(options.config, options.set)
    plugins = load_plugins([*config.plugins, *options.plugin], where=f"{config.origin}: plugins")
    sweep = Sweep.from_config(config, plugins)
    if options.list:
        _list(sweep)
        return 0
    sweep.run(options.out, lambda line: print(line, file=sys.stderr, flush=True))
    return 0


def _list(sweep: Sweep) -> None:
    for cell in sweep.cells:
        print(f"{cell.setting.method}\t{cell.setting.id}")
    factors = f"{len(sweep.cells)} settings x {len(sweep.prompts)} prompts x {sweep.config.n}"
    print(f"{factors} = {sweep.size} texts", file=sys.stderr)


COMMAND = Command("Write the texts of many settings over a task; goes on where it ended.", _configure, _run)
