"""`baco calibrate`: writes a config with the gamma of a base share, or of the knee of a sweep."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.cli.common import add_config, number, require_bundle, whole_number
from baco_core.command import Command
from baco_core.errors import ConfigError
from baco_eval.sweep.progress import tell

if TYPE_CHECKING:
    from baco_core.config import Config, Part

CHECK, POINTS = 40, 5.0
FOR_SHARES = {
    "task": "--task",
    "prompts": "--prompts",
    "dev": "--dev",
    "n": "-n",
    "tolerance": "--tolerance",
    "check": "--check",
}
"""Arguments that a knee has no use for: it is read from texts that are written."""


def _configure(parser: ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--router", metavar="NAME", help="another router; with --knee a method of the sweep")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument(
        "--share", type=_share, metavar="X", help="the wanted fraction of tokens by base, 0 to 1"
    )
    wanted.add_argument("--knee", type=Path, metavar="DIR", help="take the knee of a scored sweep instead")
    parser.add_argument(
        "--task", metavar="TASK", help="where prompts come from: a name, or {use: .., options: ..} (creative)"
    )
    parser.add_argument("--prompts", metavar="FILE", help="prompts of a JSONL file instead of a task's")
    parser.add_argument(
        "--dev",
        type=_count,
        metavar="N",
        help="how many prompts (default: those there are, at most 80; half of them with --check)",
    )
    parser.add_argument(
        "-n", type=_count, metavar="N", help="texts of each prompt (default: as many as make 80 in all)"
    )
    parser.add_argument(
        "--tolerance",
        type=_points,
        metavar="POINTS",
        help=f"how far off the share may be on these prompts, in hundredths (default: {POINTS:g})",
    )
    parser.add_argument(
        "--check",
        type=_count,
        nargs="?",
        const=CHECK,
        metavar="N",
        help=f"measure the error on unseen prompts, at most N (without N: {CHECK})",
    )
    parser.add_argument("--out", default="-", metavar="FILE", help="the config to write (default: -, stdout)")


def _share(text: str) -> float:
    value = number(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text} is not from 0 to 1; a quarter is 0.25")
    return value


def _points(text: str) -> float:
    value = number(text)
    if value < 0:
        raise ArgumentTypeError(f"{text} is below 0")
    return value


def _count(text: str) -> int:
    value = whole_number(text)
    if value < 1:
        raise ArgumentTypeError(f"{value} is below 1")
    return value


def _run(options: Namespace) -> int:
    from baco_eval.calibrate.write import as_yaml, check_out, write

    check_out(options.out)
    config, notes = _knee(options) if options.knee else _calibrated(options)
    text = as_yaml(config, notes)
    if options.out == "-":
        sys.stdout.write(text)
    else:
        write(text, Path(options.out))
    return 0


def _calibrated(options: Namespace) -> tuple[Config, list[str]]:
    """Return the config with the gamma found, and what to say of it."""
    from baco_core.plugins import CONFIGURED, load_plugins
    from baco_eval.calibrate.calibrate import NEAR, calibrate, require_near
    from baco_eval.calibrate.dev import amounts, prompts_of, split
    from baco_eval.calibrate.knob import knob_of
    from baco_eval.calibrate.notes import advice, of_landing, of_share
    from baco_eval.calibrate.shares import Shares, opened_for

    # 1. whatever the user got wrong comes before any model is opened
    config = _configured(options)
    where = f"{config.origin}: plugins" if config.origin else "plugins"
    plugins = load_plugins([*config.plugins, *options.plugin], only=(*CONFIGURED, "tasks"), where=where)
    knob = knob_of(config.router, plugins)
    task = _task(options)
    prompts = prompts_of(task, plugins)
    most, texts = amounts(len(prompts), options.dev, options.n, bool(options.check))
    dev, unseen = split(prompts, most, options.check or 0)
    require_bundle(config, plugins)
    # 2. measure, 3. check
    opened = opened_for(config, knob, plugins)
    points = POINTS if options.tolerance is None else options.tolerance
    shares = Shares(opened, config, knob, dev, texts, tell=tell)
    found = calibrate(shares, options.share, min(NEAR, points / 100), tell=tell)
    require_near(found, config.router.use, points / 100)
    notes = list(of_share(found, config, Path(options.prompts).name if options.prompts else task.use))
    for line in (notes[1], *advice(found)):
        tell(line)
    if unseen:
        others = Shares(opened, config, knob, unseen, texts, shares.size, tell=tell)
        notes.append(of_landing(found, others.at(found.found.gamma)))
        tell(notes[-1])
    return replace(config, router=knob.at(found.found.gamma)), notes


def _configured(options: Namespace) -> Config:
    """Return the config that the arguments describe: file, router, `--set`."""
    from baco_core.config import load_config, overridden
    from baco_core.overrides import Override, parse_override

    config = load_config(options.config)
    other = options.router is not None and options.router != config.router.use  # options belong to one router
    router = [Override(f"--router {options.router}", ("router",), {"use": options.router})] if other else []
    return overridden(config, [*router, *(parse_override(text) for text in options.set)])


def _task(options: Namespace) -> Part:
    from baco_core.config import Part
    from baco_core.config_yaml import parse_yaml
    from baco_core.where import Where

    if options.prompts is not None:
        if options.task is not None:
            raise ConfigError("give either --task or --prompts, not both.")
        return Part("jsonl", {"path": options.prompts}, "--prompts")
    data = parse_yaml(options.task or "creative", "--task")
    return Part(data, origin="--task") if isinstance(data, str) else Part.from_data(data, Where("--task"))


def _knee(options: Namespace) -> tuple[Config, list[str]]:
    """Return the config of the setting at the knee, and what to say of it."""
    from baco_core.config import load_config, overridden
    from baco_core.overrides import parse_override
    from baco_core.plugins import load_plugins
    from baco_eval.calibrate.knee import config_at, knee
    from baco_eval.calibrate.notes import of_knee
    from baco_eval.report.read import manifest_of

    given = [flag for name, flag in FOR_SHARES.items() if getattr(options, name) is not None]
    if given:
        raise ConfigError(f"{given[0]}: --knee reads a sweep and writes no texts; leave it out.")
    wanted = manifest_of(options.knee).config.get("plugins", [])
    plugins = load_plugins([*wanted, *options.plugin])
    found = knee(options.knee, plugins, options.router)
    for note in found.notes:
        tell(note)
    config = load_config(options.config) if options.config else config_at(found, options.knee)
    config = overridden(replace(config, router=found.router), [parse_override(text) for text in options.set])
    return config, list(of_knee(found))


COMMAND = Command("Find gamma for a base share, or at the knee of a sweep.", _configure, _run)
