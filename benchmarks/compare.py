"""Measures BACo against its bars and against its peers, in runs that take turns.

    python benchmarks/compare.py --bundles FOLDER [--quick] [--only single,pair] [--rounds 9]

FOLDER holds the bundles smollm2-int4, smollm2-fp32, gemma3-smollm2-int4. Each section is written into
benchmarks/results/ as it is done; `python benchmarks/page.py` makes docs/benchmarks.* of what is there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import sections
import sections_process
from laboratory import Laboratory, Section
from peers.environment import Peers, set_up
from worker import WorkerError

from baco_core.bench.keep import keep
from baco_core.bench.machine import machine
from baco_core.errors import BacoError

RESULTS = Path(__file__).parent / "results"
SECTIONS: Mapping[str, Callable[[Laboratory], Section]] = {
    "single": sections.single,
    "pair": sections.pair,
    "schedules": sections.schedules,
    "two-models": sections.two_models,
    "batch": sections.batch,
    "research": sections.research,
    "memory": sections_process.memory,
    "start": sections_process.start,
    "context": sections_process.context,
    "exactness-price": sections_process.exactness_price,
}


def main() -> int:
    """Measure the sections that are asked for; one that fails is named and does not stop the others."""
    options = _options()
    names = [name.strip() for name in options.only.split(",")] if options.only else list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print(f"unknown section {unknown[0]!r}; there are: {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    options.results.mkdir(parents=True, exist_ok=True)
    failed = [name for name in names if not _measured(name, options)]
    return 1 if failed else 0


def _measured(name: str, options: argparse.Namespace) -> bool:
    """Measure a section in processes of its own and keep it; say whether that worked."""
    begin = time.monotonic()
    print(f"{name}:", file=sys.stderr, flush=True)
    laboratory = Laboratory(
        options.bundles, peers, options.results, options.rounds, options.tokens, options.quick
    )
    try:
        with laboratory.stack:
            section = SECTIONS[name](laboratory)
    except (WorkerError, BacoError, RuntimeError) as error:
        print(f"{name}: not measured: {error}", file=sys.stderr, flush=True)
        return False
    seconds = round(time.monotonic() - begin)
    about = {
        "machine": str(machine()),
        "date": time.strftime("%Y-%m-%d"),
        "seconds": seconds,
        "quick": options.quick,
    }
    keep({"section": name, **about, "rounds": options.rounds, **section}, options.results / f"{name}.json")
    print(f"{name}: {seconds} s", file=sys.stderr, flush=True)
    return True


@cache
def peers() -> Peers:
    """Return where the peers are, set up where they are not."""
    return set_up()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundles", type=Path, required=True, help="the folder of the bundles")
    parser.add_argument("--only", metavar="LIST", help=f"some of: {', '.join(SECTIONS)}")
    parser.add_argument("--rounds", type=int, help="runs of each (default: 9; 2 with --quick)")
    parser.add_argument("--tokens", type=int, help="tokens of a text (default: 128; 24 with --quick)")
    parser.add_argument("--quick", action="store_true", help="few short runs, to see that all works")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results go")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 9)
    options.tokens = options.tokens or (24 if options.quick else 128)
    options.bundles = options.bundles.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main())
