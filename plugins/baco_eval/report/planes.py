"""Draws planes side by side: what each method reaches, and the front of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baco_eval.frontier import Points, front
from baco_eval.intervals import GROUPS
from baco_eval.report.ink import (
    FAINT,
    GRID,
    INK,
    WIDTH,
    Look,
    fitted,
    legend,
    line,
    looks,
    mark,
    number,
    picture,
    text,
)
from baco_eval.report.results import Results

COLUMNS, SIDE, ABOVE, BELOW, LEFT, INSET = 3, 174.0, 26.0, 44.0, 58.0, 8.0
NOTES = (
    "Up and to the right is better. Thin lines follow a method's settings. Filled marks, and the thick line",
    "that joins them, are its front: none of its other settings is better in both.",
    "Grey steps: the front of all methods. Axes run from the smallest to the largest value of any method.",
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One plane: points by method, 0 to 1, and what the ends of its axes are called."""

    title: str
    points: Mapping[str, Points]
    across: tuple[str, str, str]
    up: tuple[str, str]


def draw_planes(results: Results, quality: str) -> str:
    """Return the planes of one quality metric as SVG, the means of the groups first."""
    named = looks(results.methods)
    panels = [*_means(results, quality), *_planes(results, quality)]
    less = ", less of it upwards" if results.measures[quality].direction < 0 else ""
    title = f"Diversity against {quality}{less}"
    head = [text(16, 22, fitted(title, WIDTH - 32), bold=True)]
    key, top = legend(named, 46, NOTES)
    rows = -(-len(panels) // COLUMNS)
    body = [
        part for index, panel in enumerate(panels) for part in _panel(panel, named, *_corner(index, top + 6))
    ]
    height = top + 6 + rows * (ABOVE + SIDE + BELOW)
    return picture(title, [*head, *key, *body], height)


def _planes(results: Results, quality: str) -> Iterator[Panel]:
    for (diversity, other), plane in results.planes.items():
        if other != quality:
            continue
        signs = [results.measures[name].direction for name in (diversity, quality)]
        (d0, q0), (d1, q1) = plane.bounds.low, plane.bounds.high
        shown = [number(sign * value) for sign, value in zip((signs[0], signs[0]), (d0, d1), strict=True)]
        ends = (number(signs[1] * q0), number(signs[1] * q1))
        label = f"less {diversity}" if signs[0] < 0 else diversity
        yield Panel(diversity, plane.normalised, (shown[0], label, shown[1]), ends)


def _means(results: Results, quality: str) -> Iterator[Panel]:
    """Yield a panel of each group that has two planes or more: the means of the scaled points."""
    for group in GROUPS:
        planes = [
            plane.normalised
            for (diversity, other), plane in results.planes.items()
            if other == quality and results.measures[diversity].group == group
        ]
        if len(planes) > 1:
            points = {name: np.mean([one[name] for one in planes], axis=0) for name in planes[0]}
            yield Panel(f"mean of {len(planes)} {group}", points, ("0", f"scaled {group}", "1"), ("0", "1"))


def _corner(index: int, top: float) -> tuple[float, float]:
    row, column = divmod(index, COLUMNS)
    return LEFT + column * (SIDE + LEFT), top + ABOVE + row * (ABOVE + SIDE + BELOW)


def _panel(panel: Panel, named: Mapping[str, Look], left: float, top: float) -> Iterator[str]:
    bottom, right = top + SIDE, left + SIDE
    yield text(left, top - 7, fitted(panel.title, SIDE), bold=True)
    yield f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{GRID}"/>'
    for part in (0.25, 0.5, 0.75):
        x, y = _place((part, part), left, top)
        yield line([(x, top), (x, bottom)], GRID, 0.6)
        yield line([(left, y), (right, y)], GRID, 0.6)
    low, label, high = panel.across
    yield text(left, bottom + 15, low, fill=FAINT)
    yield text(right, bottom + 15, high, anchor="end", fill=FAINT)
    yield text((left + right) / 2, bottom + 29, fitted(f"{label} →", SIDE), anchor="middle", fill=INK)
    yield text(left - 5, bottom, panel.up[0], anchor="end", fill=FAINT)
    yield text(left - 5, top + 10, panel.up[1], anchor="end", fill=FAINT)
    yield from _curves(panel.points, named, left, top)


def _curves(
    points: Mapping[str, Points], named: Mapping[str, Look], left: float, top: float
) -> Iterator[str]:
    pooled = front(np.concatenate(list(points.values())))
    yield line(_steps(pooled, left, top), "#b4b4b4", 3)
    for method, own in points.items():
        sweep = [_place((d, q), left, top) for d, q in own.tolist()]
        if len(sweep) > 1:
            yield line(sweep, named[method].colour, 0.6)
        best = front(own)
        places = [_place((d, q), left, top) for d, q in best.tolist()]
        if len(places) > 1:
            yield line(places, named[method].colour, 2.2)
    for method, own in points.items():
        held = {tuple(row) for row in front(own).tolist()}
        for row in sorted(own.tolist(), key=lambda one: tuple(one) in held):
            yield mark(*_place((row[0], row[1]), left, top), named[method], filled=tuple(row) in held)


def _steps(best: Points, left: float, top: float) -> Sequence[tuple[float, float]]:
    """Return the corners of what the front dominates: from the left edge down to the bottom."""
    corners, before = [], 0.0
    for d, q in best.tolist():
        corners += [(before, q), (d, q)]
        before = d
    return [_place(corner, left, top) for corner in [*corners, (before, 0.0)]]


def _place(point: tuple[float, float], left: float, top: float) -> tuple[float, float]:
    room = SIDE - 2 * INSET
    return left + INSET + point[0] * room, top + INSET + (1 - point[1]) * room
