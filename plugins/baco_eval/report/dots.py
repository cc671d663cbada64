"""Draws Coverage, Dominance and what a method is above its references as dots with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from baco_eval.intervals import Interval
from baco_eval.report.comparison import MATCHED, NUDGING, RANDOM, differences
from baco_eval.report.figure import Picture, Sheet, key
from baco_eval.report.look import COLOURS, CONTROL, INK, Look, fitted
from baco_eval.report.results import Results

ROW = 0.2
Row = Mapping[str, Interval]
"""By method."""
MAIN, HOLLOW, RANDOMS = Look(COLOURS[0], "o", ""), Look(COLOURS[1], "D", ""), Look(CONTROL.colour, "s", "")
AGAINST = {
    MATCHED: ("random, base shares matched", Look(COLOURS[0], "o", "")),
    RANDOM: ("rand, its own base shares", Look(INK, "X", "")),
    NUDGING: ("nudging", Look(COLOURS[1], "D", "")),
}


def draw_coverage(results: Results) -> Picture | None:
    """Return each method's Coverage, controls below the others; None without planes."""
    groups = _intervals(results, "coverage")
    if not groups:
        return None
    order = _order(groups, results.controls)
    plain = {
        group: {name: one for name, one in row.items() if name not in results.controls}
        for group, row in groups.items()
    }
    series: dict[str, tuple[Look, Mapping[str, Row]]] = {"method": (MAIN, plain)}
    if results.controls:
        controls = {
            group: {name: one for name, one in row.items() if name in results.controls}
            for group, row in groups.items()
        }
        series["random control"] = (RANDOMS, controls)
    caption = f"Mean over the planes of a group (rule {results.rule}), with 95 % intervals over prompts."
    return _dots("coverage", "Coverage", caption, order, series)


def draw_dominance(results: Results) -> Picture | None:
    """Return each method's share of the front, as it is and by number of settings; None without planes."""
    groups = _intervals(results, "dominance")
    if not groups:
        return None
    series: dict[str, tuple[Look, Mapping[str, Row]]] = {
        "share of the front": (MAIN, groups),
        "by number of settings": (HOLLOW, _intervals(results, "dominance_by_size")),
    }
    caption = "Mean over the planes of a group, with 95 % intervals over prompts. Shares of a kind sum to 1."
    return _dots("dominance", "Dominance", caption, _order(groups), series)


def draw_differences(results: Results) -> Picture | None:
    """Return how far each method's Coverage is above its references; None without any."""
    series: dict[str, tuple[Look, Mapping[str, Row]]] = {}
    for kind, (label, look) in AGAINST.items():
        found = {group: differences(results, "coverage", group, kind) for group in results.means["coverage"]}
        if any(found.values()):
            series[label] = (look, found)
    if not series:
        return None
    order = [
        name
        for name in _order(_intervals(results, "coverage"))
        if any(name in row for _, rows in series.values() for row in rows.values())
    ]
    caption = (
        "Coverage of a method less that of what it is compared with, resample by resample, with 95 % "
        "intervals over prompts. Right of the line the method covers more."
    )
    return _dots("differences", "Coverage above references", caption, order, series, zero=True)


def _intervals(results: Results, statistic: str) -> dict[str, Row]:
    return {
        group: {method: found.interval(method) for method in found.values}
        for group, found in results.means[statistic].items()
    }


def _order(groups: Mapping[str, Row], last: frozenset[str] = frozenset()) -> list[str]:
    """Return the methods, best first in the last group, which is the overall one where there is one."""
    row = list(groups.values())[-1]
    return sorted(row, key=lambda method: (method in last, -row[method].value))


def _dots(
    name: str,
    title: str,
    caption: str,
    order: Sequence[str],
    series: Mapping[str, tuple[Look, Mapping[str, Row]]],
    *,
    zero: bool = False,
) -> Picture:
    groups = list(next(iter(series.values()))[1])
    offsets = [(index - (len(series) - 1) / 2) * 0.26 for index in range(len(series))]

    def fill(axes: Sequence[Axes]) -> None:
        for one, group in zip(axes, groups, strict=True):
            _frame(one, group, order, zero=zero)
            for offset, (look, found) in zip(offsets, series.values(), strict=True):
                _series(one, order, found[group], look, 0 if name == "coverage" else offset)

    shown = series if len(series) > 1 or zero else {}
    legend: dict[str, Line2D] = {label: key(look) for label, (look, _) in shown.items()}
    side = 0.65 + len(order) * (ROW if name == "coverage" else ROW * max(1.0, 0.62 * len(series)))
    return Sheet(title, len(groups), len(groups), side).draw(name, caption, legend, fill, share_across=True)


def _frame(axes: Axes, group: str, order: Sequence[str], *, zero: bool) -> None:
    axes.set_title(group)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    for row in range(0, len(order), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", zorder=0)
    if zero:
        axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_yticks(range(len(order)), [fitted(method) for method in order])
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize="medium")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _series(axes: Axes, order: Sequence[str], row: Row, look: Look, offset: float) -> None:
    places = {method: index + offset for index, method in enumerate(order) if method in row}
    ends = [(row[method].low, row[method].high) for method in places]
    axes.hlines(list(places.values()), *zip(*ends, strict=True), color=look.colour, linewidth=1.2, zorder=2)
    values = [row[method].value for method in places]
    axes.plot(values, list(places.values()), look.mark, color=look.colour, markersize=4.2, zorder=3)
