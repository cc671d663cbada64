"""Writes docs/results/calibration.md and .json: `python benchmarks/calibration_page.py`.

What stands in benchmarks/results/ replaces what stands in the JSON, the rest stays. A test keeps page and
JSON equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baco_core.bench.keep import keep

RESULTS = Path(__file__).parent / "results"
SUMMARY = Path(__file__).parent.parent / "docs" / "results" / "calibration.json"
PAGE = SUMMARY.with_suffix(".md")
BAR = 0.05
HEAD = """# How near calibration lands

For each router with a gamma, `baco calibrate` looked for the gamma of a base share on dev prompts; then
texts of other prompts, with other noise, were written with it (`benchmarks/calibration.py`). The error
is their base share less the wanted one, in points: hundredths of all tokens. After it stands the
standard error over prompts of both measurements together: how far chance alone puts it. The bar is 5
points. Rows of a pair share their prompts, so that their errors are not independent.

The search measures both ends of gamma, which tells the direction and what can be reached. Then it tries
gammas in between, evenly spaced as quantiles of what the router held against gamma (entropies,
probabilities), until texts written with one have a share within 1 point of the wanted one on the dev
prompts; 10 gammas at most. What is left is the difference between prompts: twice the standard error
should be below 5 points. With 20 dev prompts the larger pairs landed up to 9 points off, which is why
`baco calibrate` takes 80 texts of as many prompts as there are unless told otherwise.

Text j of a prompt asks in its j-th wording, where the task has several: the unseen prompts of `creative`
tell of other things than the dev prompts, but in the same wordings. Unseen prompts of a file have
nothing in common with the dev prompts but the file.
"""
Results = Mapping[str, Mapping[str, Any]]
One = Mapping[str, Any]


def page(results: Results) -> str:
    """Return the whole page."""
    every = sorted({router for result in results.values() for router in result["routers"]})
    parts = [HEAD, _total(results), *(_section(name, result, every) for name, result in results.items())]
    return "\n".join(parts)


def _total(results: Results) -> str:
    lines = ["| pair | within 5 points | mean error | largest | measured |", "|---|---|---|---|---|"]
    for name, result in results.items():
        off = [abs(_off(one)) for ones in result["routers"].values() for one in ones]
        cells = (
            name,
            f"{sum(one <= BAR for one in off)} of {len(off)}",
            f"{100 * sum(off) / len(off):.1f}",
            f"{100 * max(off):.1f}",
            f"{len(result['routers'])} routers",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _section(name: str, result: Mapping[str, Any], every: list[str]) -> str:
    setup = result["setup"]
    lines = [
        f"## {name}",
        "",
        f"Config `{setup['config']}`, prompts of {setup['prompts']}: {setup['dev']} dev and "
        f"{setup['unseen']} unseen, texts of each {setup['texts']}, tokens of a text at most "
        f"{setup['max_new_tokens']}, seed {setup['seed']}.",
        "",
        "| router | wanted | gamma | dev | unseen | error, points | within 5 | reach, % | gammas tried |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(router, one) for router, ones in result["routers"].items() for one in ones),
        "",
    ]
    missing = [f"`{router}`" for router in every if router not in result["routers"]]
    if missing:
        lines += [f"Not measured with this pair, for want of time: {', '.join(missing)}.", ""]
    return "\n".join(lines)


def _row(router: str, one: One) -> str:
    noise = math.hypot(one["dev"]["error"], one["unseen"]["error"])
    gamma = one["gamma"] if isinstance(one["gamma"], str) else f"{one['gamma']:.4g}"
    low, high = (f"{100 * share:.0f}" for share in one["reach"])
    cells = [
        f"`{router}`",
        f"{one['wanted']:.0%}",
        gamma,
        f"{one['dev']['share']:.1%}",
        f"{one['unseen']['share']:.1%}",
        f"{100 * _off(one):+.1f} ± {100 * noise:.1f}",
        "yes" if abs(_off(one)) <= BAR else "**no**",
        f"{low} to {high}",
        str(one["measured"]),
    ]
    return f"| {' | '.join(cells)} |"


def _off(one: One) -> float:
    return float(one["unseen"]["share"] - one["wanted"])


def collect(results: Path = RESULTS, summary: Path = SUMMARY) -> Results:
    """Write and return the summary."""
    found = json.loads(summary.read_text("utf-8")) if summary.exists() else {}
    for path in sorted(results.glob("calibration-*.json")):
        found[path.stem.removeprefix("calibration-")] = json.loads(path.read_text("utf-8"))
    summary.parent.mkdir(exist_ok=True)
    keep(found, summary, indent=1)
    return dict(found)


if __name__ == "__main__":
    PAGE.write_text(page(collect()), "utf-8")
    print(PAGE)
