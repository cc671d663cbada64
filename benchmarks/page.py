"""Writes docs/benchmarks.md and its plot from docs/benchmarks.json: `python benchmarks/page.py`.

With `--collect` the summary is first made of what stands in benchmarks/results/. A test keeps page,
plot and summary equal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from collect import SUMMARY, collect
from plot import PLOT, picture

PAGE = SUMMARY.with_suffix(".md")
HEAD, TAIL = ((Path(__file__).parent / f"page_{part}.md").read_text("utf-8") for part in ("head", "tail"))
NOTHING = "No figures yet: they are taken at the end of the work on speed.\n"
HEADINGS = {
    "ms_per_token": ("ms/token", 1.0, 2),
    "tokens_per_second": ("tokens/s", 1.0, 1),
    "first_token_seconds": ("first token, ms", 1000.0, 0),
    "first_letter_seconds": ("first letter, s", 1.0, 2),
    "base_share": ("base share, %", 100.0, 0),
    "acceptance": ("accepted, %", 100.0, 0),
    "outside_share": ("outside the runtime, %", 100.0, 1),
    "rss": ("resident, MB", 1e-6, 0),
    "pss": ("of it own, MB", 1e-6, 0),
}
"""Of each figure its heading, its factor and its decimals."""
MISSING = "–"
Section = Mapping[str, Any]


def page(summary: Mapping[str, Any]) -> str:
    """Return the whole page."""
    sections = summary["sections"]
    parts = [HEAD, *([NOTHING] if not sections else [_machine(sections), _bars(sections)])]
    if sections:
        parts.append("![Milliseconds a token of the contestants](images/benchmarks.svg)\n")
    parts += [_section(one) for one in sections]
    if summary["exactness"]:
        parts.append(_exactness(summary["exactness"]))
    return "\n".join([*parts, TAIL])


def _machine(sections: Sequence[Section]) -> str:
    lines = dict.fromkeys(f"{one['machine']}, {one['date']}" for one in sections)
    return "".join(f"Measured on {line}.\n" for line in lines)


def _bars(sections: Sequence[Section]) -> str:
    rows = [
        [bar["what"], _limit(bar, "bar"), _limit(bar, "aim"), _spread(bar["value"], 1.0, 3), _verdict(bar)]
        for one in sections
        for bar in one["bars"]
    ]
    return _table(["what", "bar", "aim", "measured", ""], rows)


def _limit(bar: Mapping[str, Any], name: str) -> str:
    return f"{'≥' if bar['least'] else '≤'} {bar[name]:g}"


def _verdict(bar: Mapping[str, Any]) -> str:
    value = bar["value"].get("median")
    if value is None:
        return "not measured"
    reached = [name for name in ("aim", "bar") if (value >= bar[name]) == bar["least"] or value == bar[name]]
    return reached[0] if reached else "missed"


def _section(section: Section) -> str:
    figures = [name for name in section["rows"][0] if name != "name"]
    head = ["", *(HEADINGS[name][0] for name in figures)]
    rows = [[row["name"], *(_figure(row[name], name) for name in figures)] for row in section["rows"]]
    rounds = f" Rounds: {section['rounds']}." if section["section"] not in ("memory", "start") else ""
    quick = " **A quick run, to see that it works: no figures to rely on.**" if section["quick"] else ""
    notes = "".join(f"\n{note}\n" for note in section["notes"])
    return f"## {section['title']}\n\n{section['how']}{rounds}{quick}\n\n{_table(head, rows)}{notes}"


def _figure(value: Any, name: str) -> str:
    _, factor, digits = HEADINGS[name]
    return (
        f"{value * factor:.{digits}f}" if isinstance(value, (int, float)) else _spread(value, factor, digits)
    )


def _spread(value: Mapping[str, Any], factor: float, digits: int) -> str:
    if "median" not in value:
        return MISSING
    median, lower, upper = (f"{value[name] * factor:.{digits}f}" for name in ("median", "lower", "upper"))
    return median if lower == upper else f"{median} ({lower} to {upper})"


def _exactness(bundles: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    rows = [
        [bundle, kind, f"{one['texts']:,}", f"{one['tokens']:,}", str(one["mismatches"])]
        for bundle, kinds in bundles.items()
        for kind, one in kinds.items()
    ]
    head = ["bundle", "schedule, against plain", "texts", "tokens", "tokens that differ"]
    return f"## Exactness\n\n{_table(head, rows)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(summary: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the files and what they must hold."""
    yield PAGE, page(summary)
    yield PLOT, picture(summary)


def main(arguments: Sequence[str]) -> int:
    """Write page and plot."""
    summary = collect() if "--collect" in arguments else json.loads(SUMMARY.read_text("utf-8"))
    for path, text in written(summary):
        path.write_text(text, "utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
