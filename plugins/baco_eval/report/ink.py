"""Pieces of SVG, and how methods look: a colour and a mark each.

The colours are those of Okabe and Ito, which stay apart for every kind of colour blindness; the marks tell
methods apart where colours repeat, and in print without colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#1a1a1a", "#56b4e9", "#e69f00")
INK, FAINT, GRID, PAPER = "#1a1a1a", "#5c5c5c", "#dcdcdc", "#ffffff"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
SIZE = 12
WIDTH = 720
"""Printed on A4 between margins, letters are then about 8 points high."""

_MARKS = (
    "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
    "M-3.6 -3.6H3.6V3.6H-3.6Z",
    "M0 -4.8L4.4 3.4H-4.4Z",
    "M0 -5L5 0L0 5L-5 0Z",
    "M0 4.8L4.4 -3.4H-4.4Z",
    "M-1.6 -4.5H1.6V-1.6H4.5V1.6H1.6V4.5H-1.6V1.6H-4.5V-1.6H-1.6Z",
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn."""

    colour: str
    mark: str


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """Return how each method looks; 42 methods differ in colour or mark."""
    return {
        method: Look(COLOURS[index % len(COLOURS)], _MARKS[index % len(_MARKS)])
        for index, method in enumerate(methods)
    }


def mark(x: float, y: float, look: Look, *, filled: bool = True) -> str:
    """Draw a method's mark; a hollow one is for a point that another one beats."""
    fill = look.colour if filled else PAPER
    return (
        f'<path d="{look.mark}" transform="translate({x:.1f} {y:.1f})" fill="{fill}" '
        f'stroke="{look.colour}" stroke-width="1.2"/>'
    )


def line(points: Sequence[tuple[float, float]], colour: str, width: float, dash: str = "") -> str:
    """Draw a line through points."""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def text(
    x: float, y: float, content: str, *, anchor: str = "start", fill: str = INK, bold: bool = False
) -> str:
    """Write one line."""
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{weight}>{escape(content)}</text>'
    )


def wide(content: str) -> float:
    """Return about how wide a text is, rather too much."""
    return 0.6 * SIZE * len(content)


def fitted(content: str, width: float) -> str:
    """Return the text, cut with an ellipsis where it is wider."""
    most = max(2, int(width / (0.6 * SIZE)))
    return content if len(content) <= most else content[: most - 1] + "…"


def legend(named: dict[str, Look], top: float, notes: Sequence[str] = ()) -> tuple[list[str], float]:
    """Return a legend in as many rows as it takes, and where it ends."""
    x, y, parts = 16.0, top, []
    for name, look in named.items():
        shown = fitted(name, WIDTH - 80)
        step = 34 + wide(shown)
        if x > 16 and x + step > WIDTH - 16:
            x, y = 16.0, y + 20
        parts += [mark(x + 6, y - 4, look), text(x + 18, y, shown)]
        x += step
    for note in notes:
        y += 20
        parts.append(text(16, y, note, fill=FAINT))
    return parts, y + 12


def picture(title: str, body: Iterable[str], height: float) -> str:
    """Return a whole SVG that needs no font, script or other file."""
    size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
        f'font-family="{escape(FONT)}" font-size="{SIZE}">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:.0f}" fill="{PAPER}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", paper, *body, "</svg>", ""])


def number(value: float) -> str:
    """Return a number in three digits, or whole from 1,000 to a million; with a real minus sign."""
    shown = f"{value:.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}" if value else "0"
    digits, _, power = shown.partition("e")
    return (f"{digits}e{int(power)}" if power else digits).replace("-", "−")
