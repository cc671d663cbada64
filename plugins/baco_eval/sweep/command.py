"""`baco sweep`: writes the texts of a grid of settings over a task, and goes on where it ended."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.command import Command
from baco_eval.sweep.progress import tell

if TYPE_CHECKING:
    from baco_eval.sweep.run import Sweep
    from baco_eval.sweep.work import Executor


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", required=True, help="a sweep (YAML)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the folder of the texts; the same command goes on where it ended",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="set one value of the sweep, such as n=3 (again for more)",
    )
    parser.add_argument(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="where texts are written: this process, or workers of a Ray cluster (extra 'ray')",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="the Ray cluster: auto or HOST:PORT (default: $RAY_ADDRESS, else one begun on this machine)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="Ray workers (default: one a machine)")
    parser.add_argument("--list", action="store_true", help="show the settings and stop")


def _run(options: Namespace) -> int:
    from baco_core.errors import ConfigError
    from baco_core.plugins import load_plugins
    from baco_eval.sweep.config import load_sweep
    from baco_eval.sweep.run import Sweep

    if options.out is None and not options.list:
        raise ConfigError("--out: say in which folder the texts go, or --list to see the settings.")
    executor = _executor(options)
    config = load_sweep(options.config, options.set)
    plugins = load_plugins([*config.plugins, *options.plugin], where=f"{config.origin}: plugins")
    sweep = Sweep.from_config(config, plugins)
    if options.list:
        _list(sweep)
        return 0
    with redirect_stdout(sys.stderr):  # where Ray tells of workers that died
        sweep.run(options.out, tell, executor)
    return 0


def _executor(options: Namespace) -> Executor:
    """Return where to write; ConfigError for options of another executor, or without Ray."""
    from baco_core.errors import ConfigError
    from baco_eval.sweep.local import Local

    if options.executor == "local":
        for name in ("address", "workers"):
            if getattr(options, name) is not None:
                raise ConfigError(f"--{name}: it is for --executor ray.")
        return Local()
    if options.workers is not None and options.workers < 1:
        raise ConfigError(f"--workers: expected at least 1, got {options.workers}.")
    from baco_eval.sweep.cluster import OWN, check_installed
    from baco_eval.sweep.crew import OnRay

    check_installed()
    return OnRay(options.address or os.environ.get("RAY_ADDRESS") or OWN, options.workers)


def _list(sweep: Sweep) -> None:
    for cell in sweep.cells:
        print(f"{cell.setting.method}\t{cell.setting.id}")
    factors = f"{len(sweep.cells)} settings x {len(sweep.prompts)} prompts x {sweep.config.n}"
    tell(f"{factors} = {sweep.size} texts")


COMMAND = Command("Write the texts of many settings over a task; goes on where it ended.", _configure, _run)
