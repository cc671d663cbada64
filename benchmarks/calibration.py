"""Measures how near calibrated routers land on prompts that were not seen.

python benchmarks/calibration.py NAME [-c CONFIG] [--set PATH=VALUE] [--prompts FILE]
python benchmarks/calibration_page.py

Each router that has a gamma is calibrated for shares of 10, 25 and 50 % on dev prompts; then texts of other
prompts are written with the gammas found. The result is written after each router, to
benchmarks/results/calibration-NAME.json, and the same command goes on where it ended.
"""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from baco_core.bench.keep import keep
from baco_core.bench.machine import machine, versions
from baco_core.config import Config, Part, load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_eval.calibrate.calibrate import calibrate
from baco_eval.calibrate.dev import split
from baco_eval.calibrate.knob import knob_of, number_of
from baco_eval.calibrate.shares import Shares, opened_for
from baco_eval.records import Prompt

RESULTS = Path(__file__).parent / "results"
SHARES = (0.1, 0.25, 0.5)


def measure(options: Namespace) -> None:
    """Measure what is not in the result's file yet; it is written anew after each router."""
    RESULTS.mkdir(exist_ok=True)  # now: hours later it would be too late
    path = RESULTS / f"calibration-{options.name}.json"
    config = load_config(options.config, options.set)
    plugins = load_plugins(config.plugins)
    part = Part("jsonl", {"path": options.prompts}) if options.prompts else Part("creative")
    prompts = plugins.tasks.build(part, "--prompts").prompts()
    setup = _setup(options, config, len(prompts))
    known = json.loads(path.read_text("utf-8")) if path.exists() else {"setup": setup, "routers": {}}
    if known["setup"] != setup:
        sys.exit(f"{path} was begun otherwise: {known['setup']}; remove it")
    opened: Pipeline | None = None
    for router in _routers(plugins, options.routers):
        if router in known["routers"]:
            continue
        opened = opened or opened_for(config, knob_of(Part(router), plugins), plugins)
        known["routers"][router] = list(_landings(opened, config, router, prompts, options))
        keep({**known, "machine": str(machine()), "versions": versions()}, path, indent=1)


def _setup(options: Namespace, config: Config, prompts: int) -> dict[str, Any]:
    return {
        "config": str(options.config) if options.config else "the default",
        "prompts": Path(options.prompts).name if options.prompts else "creative",
        "dev": options.dev,
        "unseen": min(options.check, prompts - options.dev),
        "texts": options.n,
        "max_new_tokens": config.decode.max_new_tokens,
        "seed": config.decode.seed,
    }


def _routers(plugins: Plugins, wanted: str | None) -> list[str]:
    if wanted:
        return wanted.split(",")
    return [name for name in plugins.routers if number_of(plugins, name) is not None]


def _landings(
    opened: Pipeline, config: Config, router: str, prompts: Sequence[Prompt], options: Namespace
) -> Iterator[dict[str, Any]]:
    knob = knob_of(Part(router), opened.plugins)
    dev, unseen = split(prompts, options.dev, options.check)
    shares = Shares(opened, config, knob, dev, options.n)
    others = Shares(opened, config, knob, unseen, options.n, len(dev) * options.n)
    for wanted in SHARES:
        before = len(shares.known)
        one = calibrate(shares, wanted)
        there = others.at(one.found.gamma)
        print(f"{router} {wanted:.0%}: {one.found.share:.1%} on dev, {there.share:.1%} unseen", flush=True)
        yield {
            "wanted": wanted,
            "gamma": one.found.gamma if math.isfinite(one.found.gamma) else str(one.found.gamma),
            "rising": one.rising,
            "reach": one.reach,
            "dev": {"share": one.found.share, "error": one.found.error, "tokens": one.found.tokens},
            "unseen": {"share": there.share, "error": there.error, "tokens": there.tokens},
            "measured": len(shares.known) - before,
        }


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("name", help="what the result is called")
    parser.add_argument("-c", "--config", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--prompts", help="a JSONL file (default: the task creative)")
    parser.add_argument("--dev", type=int, default=12)
    parser.add_argument("--check", type=int, default=24)
    parser.add_argument("-n", type=int, default=2)
    parser.add_argument("--routers", help="with commas between (default: all with a gamma)")
    return parser.parse_args()


if __name__ == "__main__":
    measure(_options())
