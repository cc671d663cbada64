"""How methods look, the same in every picture: a colour, a mark and a dash.

The colours are those of Okabe and Ito but for yellow, which fades on paper; they stay apart for every kind
of colour blindness. Marks tell methods apart in print without colour, and dashes where colours repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKS = ("o", "s", "^", "D", "v", "P", "<")
Dash = Literal["-", "--", ":", ""]
DASHES: tuple[Dash, ...] = ("-", "--", ":")
INK, FAINT, GRID, PAPER = "#1a1a1a", "#5c5c5c", "#e2e2e2", "#ffffff"
LONGEST = 28


@dataclass(frozen=True, slots=True)
class Look:
    """How a method is drawn, in matplotlib's words."""

    colour: str
    mark: str
    dash: Dash = "-"


REFERENCE = Look(INK, "X")
"""The random router, which all others are compared with."""
CONTROL = Look("#7a7a7a", "x", "")


def looks(methods: Iterable[str], reference: str = "rand") -> dict[str, Look]:
    """Return how each method looks; 43 methods differ in colour or mark."""
    found: dict[str, Look] = {}
    for method in methods:
        index = len(found) - (reference in found)
        found[method] = (
            REFERENCE
            if method == reference
            else Look(
                COLOURS[index % len(COLOURS)],
                MARKS[index % len(MARKS)],
                DASHES[index // len(COLOURS) % len(DASHES)],
            )
        )
    return found


def fitted(label: str, longest: int = LONGEST) -> str:
    """Return a label in one line, its middle left out where it is longer, and no control characters."""
    shown = "".join(char if char.isprintable() else "�" for char in label)
    tail = longest // 3
    return shown if len(shown) <= longest else f"{shown[: longest - tail - 1]}…{shown[-tail:]}"
