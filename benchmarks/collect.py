"""Gathers the results in benchmarks/results/ into docs/benchmarks.json: medians, not single runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from baco_core.bench.keep import keep

RESULTS = Path(__file__).parent / "results"
SUMMARY = Path(__file__).parent.parent / "docs" / "benchmarks.json"
ORDER = (
    "single",
    "pair",
    "schedules",
    "two-models",
    "batch",
    "research",
    "memory",
    "start",
    "context",
    "exactness-price",
)
DIGITS = 4


def collect(results: Path = RESULTS, summary: Path = SUMMARY) -> Mapping[str, Any]:
    """Write and return the summary: what was measured anew replaces what stands there, the rest stays."""
    old = json.loads(summary.read_text("utf-8")) if summary.exists() else {}
    sections = {one["section"]: one for one in old.get("sections", [])}
    sections |= {one["section"]: one for one in _sections(results)}
    exactness = {**old.get("exactness", {}), **dict(_exactness(results))}
    order = [name for name in ORDER if name in sections]
    found = {"format": 1, "sections": [sections[name] for name in order], "exactness": exactness}
    keep(found, summary, indent=1)
    return found


def _sections(results: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(results.glob("*.json")):
        section = json.loads(path.read_text("utf-8"))
        if section.get("section") in ORDER:
            yield rounded({name: value for name, value in section.items() if name != "runs"})


def _exactness(results: Path) -> Iterator[tuple[str, dict[str, dict[str, int]]]]:
    """Yield for each bundle what was compared, by kind of comparison."""
    for path in sorted(results.glob("exactness-*.jsonl")):
        kinds: dict[str, dict[str, int]] = {}
        for record in records(path):
            case = record["case"]
            ends = case["against"] != "plain"
            kind = "end points" if ends else f"{case['schedule']}, {record['n']} together"
            counts = kinds.setdefault(kind, {"texts": 0, "tokens": 0, "mismatches": 0})
            counts["texts"] += record["n"]
            counts["tokens"] += record["tokens"]
            counts["mismatches"] += record["mismatches"]
        yield path.stem.removeprefix("exactness-"), kinds


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of comparisons that are whole: the last one of a run may be cut off."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def rounded(value: Any) -> Any:
    """Return data with its fractions cut to a few significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value
