"""Loads a server of its own on 127.0.0.1 and holds every text against the same text written alone.

python benchmarks/serving.py NAME [-c CONFIG] [--clients 32] [--seconds 300]
python benchmarks/serving_page.py

First one client at a time, under each schedule, then several, to see what company brings; then the load:
mixed lengths, half of it streamed, one request in four given up at a random moment. The result goes to
benchmarks/results/serving-NAME.json.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from serving_asks import answered, drawn
from serving_bound import bound
from serving_clients import Load, Outcome, work
from serving_process import Served, served

from baco_core.bench.keep import keep
from baco_core.bench.machine import machine, versions

RESULTS = Path(__file__).parent / "results"
PERCENTILES = (50, 90, 95, 99)
SCHEDULES = ("auto", "lazy", "plain")
FLAT = 0.05


def measure(options: Namespace) -> dict[str, Any]:
    """Return the whole result; what goes wrong is in it."""
    limit = bound(options.config, options.company)
    print("writing every text alone", flush=True)
    asks = answered(drawn(options.asks, options.most), options.config)
    settings = [*options.set, f"server.texts={options.texts}", "server.drain=5"]
    with (
        tempfile.TemporaryDirectory() as folder,
        served(options.config, settings, Path(folder) / "log") as one,
    ):
        load = Load(one.host, one.port, one.model(), asks, options.clients, options.seconds, 0.25)
        speeds = _speeds(one, load, options)
        held = _held(one, load, options.warm_up)
        complaints = one.complaints()
    setup = {
        "config": str(options.config) if options.config else "the default",
        "asks": options.asks,
        "max_tokens": options.most,
        "texts": options.texts,
        "note": options.note,
    }
    return {
        "setup": setup,
        "speeds": {**speeds, "bound": limit},
        "load": {**held, "log": complaints},
        "machine": str(machine()),
        "versions": versions(),
    }


def _speeds(one: Served, load: Load, options: Namespace) -> dict[str, Any]:
    """Measure one client under each schedule, and `--company` of them, in turn; tokens a second."""
    work(replace(load, clients=options.company, seconds=3, leaving=0.0))  # caches, threads
    found: dict[str, list[float]] = {name: [] for name in (*SCHEDULES, "company")}
    outcomes: list[Outcome] = []
    for number in range(options.rounds):
        for name, speeds in found.items():
            alone = name != "company"
            some = replace(
                load,
                clients=1 if alone else options.company,
                schedule=name if alone else None,
                seconds=options.speed_seconds,
                leaving=0.0,
                seed=number,
            )
            speeds.append(_speed(one, some, outcomes))
            print(f"{name}: {speeds[-1]:.1f} tokens a second", flush=True)
    fastest = max(SCHEDULES, key=lambda name: median(found[name]))
    return {
        "clients": options.company,
        "seconds": options.speed_seconds,
        "tokens_per_second": found,
        "fastest": fastest,
        "ratio": median(found["company"]) / median(found[fastest]),
        "ended": dict(Counter(outcome.ended for outcome in outcomes)),
    }


def _speed(one: Served, load: Load, outcomes: list[Outcome]) -> float:
    before, began = one.count("baco_tokens_total"), time.perf_counter()
    outcomes += work(load)
    return (one.count("baco_tokens_total") - before) / (time.perf_counter() - began)


def _held(one: Served, load: Load, warm_up: float) -> dict[str, Any]:
    """Let all clients ask, and see what is left of it."""
    work(replace(load, seconds=warm_up, seed=7))
    one.settle()
    before, written, began = one.resident(), one.count("baco_tokens_total"), time.perf_counter()
    watch = Watch(one)
    outcomes = work(load)
    seconds = time.perf_counter() - began
    tokens = one.count("baco_tokens_total") - written
    most = watch.stop()
    idle = one.settle()
    after = one.resident()
    right = [outcome for outcome in outcomes if outcome.ended == "right"]
    return {
        "clients": load.clients,
        "seconds": seconds,
        "requests": len(outcomes),
        "ended": dict(Counter(outcome.ended for outcome in outcomes)),
        "streamed": sum(outcome.stream for outcome in outcomes),
        "tokens": tokens,
        "tokens_per_second": tokens / seconds,
        "first_seconds": percentiles([each.first for each in right if each.first is not None]),
        "whole_seconds": percentiles([each.whole for each in right]),
        "idle_after": idle,
        "resident": {"before": before, "most": most, "after": after},
        "wrong": [each.about for each in outcomes if each.ended in ("wrong", "failed")][:5],
    }


class Watch:
    """Looks at the server's memory every second."""

    def __init__(self, one: Served) -> None:
        """Begin."""
        self._one, self._most, self._ended = one, 0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(1.0):
            self._most = max(self._most, self._one.resident())

    def stop(self) -> int:
        """Return the most bytes that were seen."""
        self._ended.set()
        self._thread.join()
        return self._most


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of what was measured: the value that so many per cent do not exceed."""
    ordered = sorted(values)
    return {str(each): ordered[max(0, -(-len(ordered) * each // 100) - 1)] for each in PERCENTILES if ordered}


def verdict(result: dict[str, Any]) -> list[str]:
    """Return what is not as it must be."""
    held = result["load"]
    ended = Counter(held["ended"]) + Counter(result["speeds"]["ended"])
    faults = [f"{count} {name}" for name, count in ended.items() if name not in ("right", "left")]
    grown = held["resident"]["after"] / held["resident"]["before"] - 1
    faults += [f"memory grew by {grown:.1%}"] if grown > FLAT else []
    faults += [] if held["idle_after"] else ["something is still in hand"]
    return faults + [f"logged: {line}" for line in held["log"]]


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("name", help="what the result is called")
    parser.add_argument("-c", "--config", type=Path, help="an ordinary config (default: the embedded pair)")
    parser.add_argument("--set", action="append", default=[], help="as of baco serve")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--warm-up", type=float, default=20.0)
    parser.add_argument("--company", type=int, default=8, help="clients that are compared with one")
    parser.add_argument("--speed-seconds", type=float, default=15.0, help="for each speed")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--asks", type=int, default=24, help="different requests")
    parser.add_argument("--most", type=int, default=128, help="tokens of the longest text")
    parser.add_argument("--texts", type=int, default=8, help="server.texts")
    parser.add_argument("--note", default="", help="what a reader of the figures must know")
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends with us
    result = measure(options)
    RESULTS.mkdir(exist_ok=True)
    keep(result, RESULTS / f"serving-{options.name}.json")
    for fault in verdict(result):
        print(fault, file=sys.stderr)
    sys.exit(bool(verdict(result)))
