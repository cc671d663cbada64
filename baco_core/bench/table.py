"""A report as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COLUMNS = (
    ("ms_per_token", "ms/token", 1.0, "{:.2f}"),
    ("tokens_per_second", "tokens/s", 1.0, "{:.1f}"),
    ("first_token_ms", "first ms", 1.0, "{:.0f}"),
    ("base_passes_per_token", "base passes", 1.0, "{:.2f}"),
    ("aligned_passes_per_token", "aligned passes", 1.0, "{:.2f}"),
    ("base_share", "base share", 100.0, "{:.0f} %"),
    ("acceptance", "accepted", 100.0, "{:.0f} %"),
    ("outside_share", "outside", 100.0, "{:.1f} %"),
    ("resident_bytes", "resident", 1e-6, "{:.0f} MB"),
)
"""Figure, heading, factor and form of each column of medians."""
NONE = "–"


def as_text(report: Mapping[str, Any]) -> str:
    """Return the report as lines: on what, how, the table, the notes below it."""
    return "\n".join([*_head(report), "", *_table(report), "", *_notes(report)]) + "\n"


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"machine   {report['machine']['text']}"
    yield f"versions  {', '.join(f'{name} {number}' for name, number in report['versions'].items())}"
    yield f"pair      {_pair(report['pair'])}"
    yield f"router    {report['router']}, sampler {report['sampler']}"
    size = f"{report['n']} texts of" if report["n"] > 1 else "texts of"
    yield f"runs      {report['repeats']} of each, {size} at most {report['max_new_tokens']} tokens"
    for name, why in report["plan"].items():
        yield f"{name:9} {why}"


def _pair(pair: Mapping[str, Any]) -> str:
    members = (f"{name}: {one['model']} in {one['precision']}" for name, one in pair["members"].items())
    return ", ".join(members) + ("; one copy of the weights" if pair["one_copy"] else "")


def _table(report: Mapping[str, Any]) -> list[str]:
    shown = {name: one for name, one in report["variants"].items() if "figures" in one}
    rows = [["", *(column[1] for column in COLUMNS), f"/ {report['compared_with']}"]]
    rows += [[name, *_cells(one)] for name, one in shown.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = zip(row, widths, strict=True)
    return [cell.rjust(width) if index else cell.ljust(width) for index, (cell, width) in enumerate(cells)]


def _cells(one: Mapping[str, Any]) -> Iterator[str]:
    for name, _, factor, form in COLUMNS:
        figure = one["figures"][name]
        yield form.format(figure["median"] * factor) if "median" in figure else NONE
    ratio = one["ratio"]
    yield f"{ratio['median']:.2f} ({ratio['lower']:.2f}-{ratio['upper']:.2f})" if "median" in ratio else NONE


def _notes(report: Mapping[str, Any]) -> Iterator[str]:
    yield "Medians; behind the ratio, which is of runs of one round, its quartiles."
    for name, one in report["variants"].items():
        if "figures" not in one:
            yield f"{name}: {_reason(one)}."
        elif isinstance(one["mismatches"], int) and name != report["compared_with"]:
            yield f"{name}: {one['mismatches']} tokens differ from {report['compared_with']}'s."
    yield from dict.fromkeys(_missing(report))
    if not report["complete"]:
        yield "Not complete: it was interrupted."


def _missing(report: Mapping[str, Any]) -> Iterator[str]:
    for one in report["variants"].values():
        for name, heading, *_ in COLUMNS:
            figure = one.get("figures", {}).get(name, {})
            if "not_measured" in figure:
                yield f"{heading}: {_reason(figure)}."


def _reason(missing: Mapping[str, Any]) -> str:
    return f"not measured: {missing['not_measured']}"
