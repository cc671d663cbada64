"""Draws planes side by side: what each method reaches, and the front of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from baco_eval.frontier import Points, front
from baco_eval.intervals import GROUPS
from baco_eval.report.figure import Picture, Sheet, key
from baco_eval.report.look import CONTROL, Look, looks
from baco_eval.report.results import PlaneResult, Results

POOLED = Look("#c6c6c6", "", "-")
READ = (
    "Up and to the right is better. Thick lines join a method's non-dominated settings, the large marks; "
    "small marks are its other settings, and thin lines follow its knob; between marks, lines but guide the "
    "eye. The grey steps are the front of all methods."
)
MEANS = (
    "Each setting's diversity and quality, scaled to 0 and 1 in each plane and averaged over the planes of a "
    "group. It shows where the planes agree; Coverage and Dominance are taken plane by plane."
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One plane: points by method as they are drawn, names of its axes, and which way is better."""

    title: str
    points: Mapping[str, Points]
    controls: frozenset[str]
    across: str
    up: str
    signs: tuple[int, int] = (1, 1)
    mark: float = 4.2
    """How large marks are, in points."""


def draw_planes(results: Results, quality: str) -> Picture:
    """Return the planes of one quality metric, one for each metric of diversity."""
    panels = [
        _panel(results, diversity, quality, plane)
        for (diversity, other), plane in results.planes.items()
        if other == quality
    ]
    title = f"Diversity against {quality}"
    sheet = Sheet(title, min(3, len(panels)), len(panels), 1.95 if len(panels) > 2 else 3.3)
    return sheet.draw(f"planes-{quality}", READ, _legend(results), _filler(results, panels))


def draw_means(results: Results) -> Picture | None:
    """Return the mean of the planes of each group; None without planes."""
    panels = [_mean(results, group, planes) for group, planes in _grouped(results)]
    if not panels:
        return None
    sheet = Sheet("Diversity against quality, means of the planes", len(panels), len(panels), 3.4)
    caption = f"{MEANS} {READ}"
    return sheet.draw("overview", caption, _legend(results), _filler(results, panels))


def _panel(results: Results, diversity: str, quality: str, plane: PlaneResult) -> Panel:
    d, q = (results.measures[name].direction for name in (diversity, quality))
    points = {method: own * np.array([d, q]) for method, own in plane.points.items()}
    up = f"{quality} (less is better)" if q < 0 else quality
    across = f"{diversity} (less is better)" if d < 0 else diversity
    return Panel("", points, results.controls, across, up, (d, q))


def _grouped(results: Results) -> Iterator[tuple[str, list[PlaneResult]]]:
    for group in GROUPS:
        planes = [
            plane for (name, _), plane in results.planes.items() if results.measures[name].group == group
        ]
        if planes:
            yield group, planes


def _mean(results: Results, group: str, planes: Sequence[PlaneResult]) -> Panel:
    scaled = [plane.normalised for plane in planes]
    points = {name: np.mean([one[name] for one in scaled], axis=0) for name in scaled[0]}
    title = f"{group}: {len(planes)} plane{'s' if len(planes) > 1 else ''}"
    return Panel(title, points, results.controls, f"{group} diversity, scaled", "quality, scaled", mark=5.5)


def _legend(results: Results) -> dict[str, Line2D]:
    named = looks(method for method in results.methods if method not in results.controls)
    found = {method: key(look) for method, look in named.items()}
    found["front of all methods"] = key(POOLED, 3)
    if results.controls:
        found["random controls"] = key(CONTROL)
    return found


def _filler(results: Results, panels: Sequence[Panel]) -> Callable[[Sequence[Axes]], None]:
    named = looks(method for method in results.methods if method not in results.controls)
    swept = {name for name, own in results.methods.items() if not any("," in one.id for one in own)}

    def fill(axes: Sequence[Axes]) -> None:
        for one, panel in zip(axes, panels, strict=True):
            _frame(one, panel)
            _curves(one, panel, named, swept)

    return fill


def _frame(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title)
    axes.set_xlabel(panel.across)
    if axes.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        axes.set_ylabel(panel.up)
    axes.grid(True)
    axes.set_axisbelow(True)
    pooled = np.concatenate(list(panel.points.values()))
    for axis, column, sign in ((axes.xaxis, 0, panel.signs[0]), (axes.yaxis, 1, panel.signs[1])):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        low, high = float(pooled[:, column].min()), float(pooled[:, column].max())
        room = 0.06 * (high - low) or 0.5
        limits = (low - room, high + room)
        (axes.set_xlim if column == 0 else axes.set_ylim)(*limits[::sign])


def _curves(axes: Axes, panel: Panel, named: Mapping[str, Look], swept: Set[str]) -> None:
    sign = np.array(panel.signs)
    own = {method: panel.points[method] * sign for method in named}
    steps = _steps(front(np.concatenate(list(own.values())))) * sign
    axes.plot(*_within(axes, steps).T, color=POOLED.colour, linewidth=3, zorder=1)
    for method in panel.controls:
        axes.plot(*panel.points[method].T, "x", color=CONTROL.colour, markersize=2.6, zorder=2)
    for method, points in own.items():
        best = front(points)
        held = (points[:, None] == best[None]).all(axis=2).any(axis=1)
        if method in swept:
            axes.plot(*(points * sign).T, color=named[method].colour, linewidth=0.5, alpha=0.5, zorder=2)
        _marks(axes, points[~held] * sign, best * sign, named[method], panel.mark)


def _marks(axes: Axes, others: Points, best: Points, look: Look, size: float) -> None:
    small = size * 0.65
    axes.plot(
        *others.T, look.mark, color=look.colour, markersize=small, markeredgewidth=0, alpha=0.6, zorder=3
    )
    axes.plot(
        *best.T,
        look.dash,
        marker=look.mark,
        color=look.colour,
        linewidth=1.1,
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=0.35,
        zorder=4,
    )


def _steps(best: Points) -> Points:
    """Return the corners of what the front dominates, from far left down to far below."""
    d, q = np.repeat(best[:, 0], 2), np.repeat(best[:, 1], 2)
    return np.stack([np.concatenate(([-np.inf], d)), np.concatenate((q, [-np.inf]))], axis=1)


def _within(axes: Axes, corners: Points) -> Points:
    """Return corners with what lies infinitely far put on the edge of the panel."""
    (x0, x1), (y0, y1) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    return np.stack([np.clip(corners[:, 0], x0, x1), np.clip(corners[:, 1], y0, y1)], axis=1)
