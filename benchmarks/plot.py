"""Draws docs/images/benchmarks.svg from docs/benchmarks.json, without any library.

Sky blue and orange stay apart for every kind of colour blindness; what a bar is stands beside it in words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

PLOT = Path(__file__).parent.parent / "docs" / "images" / "benchmarks.svg"
OURS, THEIRS, RANGE, INK, PAPER = "#56b4e9", "#e69f00", "#1a1a1a", "#1a1a1a", "#ffffff"
PANELS = (
    ("single", "One model alone, ms a token"),
    ("schedules", "Schedules, ms a token"),
    ("pair", "The pair and its aligned model alone (int4), ms a token"),
    ("two-models", "Two models with two tokenizers (int4), ms a token"),
    ("context", "Behind a long prompt (int4), ms a token"),
)
WIDTH, LEFT, RIGHT, ROW, TITLE, GAP = 860, 260, 130, 22, 34, 18
PEERS = ("onnxruntime-genai", "llama.cpp", "transformers")


def picture(summary: Mapping[str, Any]) -> str:
    """Return the plot: a panel of horizontal bars for each section that was measured."""
    sections = {one["section"]: one for one in summary["sections"]}
    panels = [(title, _bars(sections[name])) for name, title in PANELS if name in sections]
    height = GAP + sum(TITLE + ROW * len(bars) + GAP for _, bars in panels) + 16
    body = "\n".join(_panels(panels))
    style = "font-family='Helvetica, Arial, sans-serif'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}'"
    title = "<title>Milliseconds a token: medians, with the quartiles as a line</title>"
    paper = f"<rect width='{WIDTH}' height='{height}' fill='{PAPER}'/>"
    legend = _legend(height - 10)
    return f"{head} viewBox='0 0 {WIDTH} {height}' {style}>\n{title}\n{paper}\n{body}\n{legend}\n</svg>\n"


def _bars(section: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float]]]:
    rows = ((row["name"], row["ms_per_token"]) for row in section["rows"])
    return [(name, value) for name, value in rows if "median" in value]


def _panels(panels: Sequence[tuple[str, Sequence[tuple[str, Mapping[str, float]]]]]) -> Iterator[str]:
    top = GAP
    for title, bars in panels:
        yield _text(16, top + 16, title, size=15, weight="bold")
        longest = max((value["upper"] for _, value in bars), default=1.0)
        for index, (name, value) in enumerate(bars):
            yield from _bar(top + TITLE + ROW * index, name, value, (WIDTH - LEFT - RIGHT) / longest)
        top += TITLE + ROW * len(bars) + GAP


def _bar(top: float, name: str, value: Mapping[str, float], scale: float) -> Iterator[str]:
    middle, colour = top + ROW / 2, THEIRS if name.startswith(PEERS) else OURS
    end, low, high = (LEFT + value[part] * scale for part in ("median", "lower", "upper"))
    yield _text(LEFT - 10, middle + 4, name, anchor="end")
    yield f"<rect x='{LEFT}' y='{top + 3:.1f}' width='{end - LEFT:.1f}' height='{ROW - 7}' fill='{colour}'/>"
    yield f"<path d='M{low:.1f} {middle - 0.5:.1f}H{high:.1f}' stroke='{RANGE}' stroke-width='1.5'/>"
    yield _text(max(end, high) + 8, middle + 4, f"{value['median']:.1f}")


def _legend(y: float) -> str:
    marks = ((LEFT, OURS, "BACo"), (LEFT + 90, THEIRS, "peers"))
    boxes = [
        f"<rect x='{x}' y='{y - 10}' width='12' height='12' fill='{colour}'/>{_text(x + 18, y, name)}"
        for x, colour, name in marks
    ]
    return "".join([*boxes, _text(LEFT + 180, y, "medians; the line spans the quartiles")])


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", weight: str = "normal"
) -> str:
    place = f"x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'"
    return f"<text {place} font-size='{size}' font-weight='{weight}' fill='{INK}'>{escape(text)}</text>"
