"""Makes pictures by matplotlib: SVG and PNG of one figure, the same bytes each time.

No window system, no settings of the user and no date has a say in them. Letters stay letters in an SVG, to
be searched and read aloud; they are laid out by DejaVu Sans, which is as wide as what may stand in for it.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from baco_eval.report.look import FAINT, GRID, INK, Look, fitted

WIDTH = 7.1
"""Inches: A4 between margins. Letters are then as many points high as is said here."""
LETTERS = 8.0
DPI = 200
_LINE = 0.17
_THEME: dict[Any, Any] = {
    "axes.edgecolor": "#8a8a8a",
    "axes.labelcolor": INK,
    "axes.labelsize": LETTERS,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.titlesize": LETTERS,
    "axes.titleweight": "bold",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": LETTERS,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": LETTERS,
    "legend.frameon": False,
    "legend.title_fontsize": LETTERS + 1.5,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": "#8a8a8a",
    "xtick.labelcolor": FAINT,
    "xtick.labelsize": LETTERS - 1,
    "ytick.color": "#8a8a8a",
    "ytick.labelcolor": FAINT,
    "ytick.labelsize": LETTERS - 1,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, drawn; `caption` tells how to read it."""

    title: str
    caption: str
    svg: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """An empty figure: `title` on top, then a legend, then rows of panels, each `side` inches high."""

    title: str
    columns: int
    panels: int
    side: float

    def draw(
        self,
        name: str,
        caption: str,
        legend: Mapping[str, Line2D],
        fill: Callable[[Sequence[Axes]], None],
        *,
        share_across: bool = False,
    ) -> Picture:
        """Return the picture that `fill` draws into the panels; `share_across` is for the axes of diversity.

        What goes up is the same in all panels, and told at the left alone.
        """
        with rc_context():
            rcdefaults()
            rcParams.update({**_THEME, "svg.hashsalt": name})
            rows, across = -(-self.panels // self.columns), _across(list(legend))
            height = rows * self.side + (-(-len(legend) // across) + 2) * _LINE
            figure = Figure(figsize=(WIDTH, height), layout="constrained")
            grid = figure.subplots(rows, self.columns, squeeze=False, sharey=True, sharex=share_across)
            axes: list[Axes] = grid.flatten().tolist()
            for unused in axes[self.panels :]:
                unused.set_visible(False)
            fill(axes[: self.panels])
            _head(figure, self.title, legend, across)
            png = _png(figure)
            figure.set_layout_engine("none")  # all is in its place, and stays there
            return Picture(self.title, caption, _svg(figure, name, self.title), png)


def key(look: Look, width: float = 1.2) -> Line2D:
    """Return how a look is shown in a legend, its line `width` points wide."""
    return Line2D(
        [], [], color=look.colour, marker=look.mark, linestyle=look.dash, markersize=4.5, linewidth=width
    )


def _across(labels: Sequence[str]) -> int:
    """Return in how many columns the legend has room; entries go down the columns."""
    wide = [0.6 + 0.075 * len(fitted(label)) for label in labels]
    for count in range(len(labels), 1, -1):
        each = -(-len(labels) // count)
        if sum(max(wide[start : start + each]) for start in range(0, len(wide), each)) < WIDTH:
            return count
    return 1


def _head(figure: Figure, title: str, legend: Mapping[str, Line2D], across: int) -> None:
    box = figure.legend(
        list(legend.values()),
        [str(index) for index in range(len(legend))],
        loc="outside upper left",
        ncols=across,
        title=fitted(title, 90),
        alignment="left",
        columnspacing=1.5,
        borderpad=0.2,
    )
    box.get_title().set_fontweight("bold")
    # Set afterwards: a legend would leave out labels that begin with an underscore.
    for text, label in zip(box.get_texts(), legend, strict=True):
        text.set_text(fitted(label))


def _png(figure: Figure) -> bytes:
    return _saved(figure, "png", dpi=DPI, metadata={"Software": None})


def _svg(figure: Figure, name: str, title: str) -> str:
    """Return the SVG as one element, with ids that no other picture on a page has."""
    found = _saved(figure, "svg", metadata={"Date": None}).decode()
    found = re.sub(r"<metadata>.*?</metadata>\s*", "", found[found.index("<svg") :], flags=re.DOTALL)
    found = re.sub(r"<[^>]*>", lambda tag: _own(tag[0], name), found)
    return found.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def _own(tag: str, name: str) -> str:
    return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", tag)


def _saved(figure: Figure, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A browser has other fonts for a letter of another script; only a PNG shows a box for it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing", category=UserWarning)
        figure.savefig(file, format=form, **options)  # type: ignore[arg-type]
    return file.getvalue()
