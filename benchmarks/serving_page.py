"""Writes docs/results/serving.md and .json: `python benchmarks/serving_page.py`.

What stands in benchmarks/results/ replaces what stands in the JSON, the rest stays. A test keeps page and
JSON equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from baco_core.bench.keep import keep

RESULTS = Path(__file__).parent / "results"
SUMMARY = Path(__file__).parent.parent / "docs" / "results" / "serving.json"
PAGE = SUMMARY.with_suffix(".md")
BARS = {"tiny": 3.0, "smollm2-int4": 1.5}
"""What several clients must bring over one, at least."""
HEAD = """# A server under load

`benchmarks/serving.py` runs `baco serve` as a process of its own and asks it over 127.0.0.1, from a process
on the same cores. Requests differ in length (prompts of some 15 to 500 tokens, texts of three lengths),
router, gamma, seed and number of texts; half of them stream. Every text is compared with the one that
`Pipeline.generate` had written before, alone: a text that differs in one character is a wrong one.

**The load**: clients ask one request after the other, and give up one in four at a random moment. Memory is
what the process has resident, ten seconds after the last request, against the same after a warm-up of the
same kind. Seconds are from sending a request, over all that were finished.
"""
SPEED = """**Company**: tokens a second that several clients get together, over what one client gets who asks
one request after the other, under the schedule that serves one client fastest. Same server, same requests,
nobody gives up; the two take turns. "The models alone" is the ratio that would be reached if everything but
their passes cost nothing: a pass for that many texts against one for one, both models at the same time, after
150 tokens.
"""
TRIED = """**What bounds it.** With `tiny` a pass for 8 texts takes some 3.7 ms in company, and then one
thread asks routers and picks 8 tokens, some 2.8 ms, in which the models wait. With SmolLM2 the kernels are
busy to the full: a row more costs 1.2 ms of the 4.9 that the first two take. Tried, and of no use: two
groups of texts that take turns, one read while the other is picked for (930, 879 and 920 tokens/s
against 1,150, 1,090 and 1,104: smaller passes cost more than the waiting), 12 or 16 places in place of
8, threads that do not spin.
"""
Result = Mapping[str, Any]


def page(results: Mapping[str, Result]) -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_load(results), SPEED, *_speed(results), TRIED, *_setups(results)])


def _load(results: Mapping[str, Result]) -> Iterable[str]:
    yield from _table_head(
        "pair", "clients", "minutes", "requests", "right", "given up", "wrong", "stuck or failed"
    )
    for name, result in results.items():
        held, ended = result["load"], result["load"]["ended"]
        bad = ended.get("stuck", 0) + ended.get("failed", 0)
        counts = [ended.get(each, 0) for each in ("right", "left", "wrong")]
        yield _row(name, held["clients"], f"{held['seconds'] / 60:.1f}", held["requests"], *counts, bad)
    yield ""
    percentiles = [f"{what}, {each} %" for what in ("first token", "whole") for each in (50, 95, 99)]
    yield from _table_head("pair", "tokens/s", *percentiles, "MiB before", "after", "grown")
    for name, result in results.items():
        held = result["load"]
        times = [held[key][each] for key in ("first_seconds", "whole_seconds") for each in ("50", "95", "99")]
        memory = held["resident"]
        grown = memory["after"] / memory["before"] - 1
        sizes = [f"{memory[key] / 2**20:.0f}" for key in ("before", "after")]
        yield _row(
            name,
            f"{held['tokens_per_second']:.0f}",
            *(f"{each:.2f} s" for each in times),
            *sizes,
            f"{grown:+.1%}",
        )
    yield ""


def _speed(results: Mapping[str, Result]) -> Iterable[str]:
    yield from _table_head(
        "pair", "one client, fastest schedule", "clients", "together", "ratio", "bar", "the models alone"
    )
    for name, result in results.items():
        speeds = result["speeds"]
        one, many = (median(speeds["tokens_per_second"][key]) for key in (speeds["fastest"], "company"))
        bar = BARS.get(name)
        verdict = "–" if bar is None else f"{bar:g}, {'reached' if speeds['ratio'] >= bar else '**missed**'}"
        alone = f"{one:.0f} tokens/s (`{speeds['fastest']}`)"
        limit = speeds["bound"]
        passes = f"{limit['ratio']:.2f} ({limit['one']:.2f} and {limit['many']:.2f} ms)"
        together = f"{many:.0f} tokens/s"
        yield _row(name, alone, speeds["clients"], together, f"{speeds['ratio']:.2f}", verdict, passes)
    yield ""


def _setups(results: Mapping[str, Result]) -> Iterable[str]:
    for name, result in results.items():
        setup, speeds = result["setup"], result["speeds"]["tokens_per_second"]
        alone = {key: median(values) for key, values in speeds.items() if key != "company"}
        each = ", ".join(f"`{key}` {value:.0f}" for key, value in alone.items())
        yield (
            f"* **{name}**: config `{setup['config']}`, {setup['asks']} different requests, texts of at most "
            f"{setup['max_tokens']} tokens, `server.texts` {setup['texts']}. One client by schedule: "
            f"{each} tokens/s; each speed is the "
            f"median of {len(speeds['company'])} times {result['speeds']['seconds']:.0f} seconds. "
            f"{result['machine']}. Warnings and errors in the server's log: {len(result['load']['log'])}."
            f"{' ' if setup['note'] else ''}{setup['note']}"
        )
    yield ""


def _table_head(*titles: str) -> list[str]:
    return [_row(*titles), _row(*("---" for _ in titles)).replace(" ", "")]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def collect(results: Path = RESULTS, summary: Path = SUMMARY) -> dict[str, Any]:
    """Write and return the summary."""
    found = json.loads(summary.read_text("utf-8")) if summary.exists() else {}
    for path in sorted(results.glob("serving-*.json")):
        found[path.stem.removeprefix("serving-")] = json.loads(path.read_text("utf-8"))
    summary.parent.mkdir(parents=True, exist_ok=True)
    keep(found, summary, indent=1)
    return dict(found)


if __name__ == "__main__":
    PAGE.write_text(page(collect()), "utf-8")
    print(PAGE)
