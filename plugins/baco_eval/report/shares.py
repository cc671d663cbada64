"""Draws base share against gamma, a panel for each method: base share alone compares routers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from baco_eval.records import Setting
from baco_eval.report.comparison import SHARE
from baco_eval.report.figure import LETTERS, Picture, Sheet
from baco_eval.report.look import DASHES, Look, fitted, looks
from baco_eval.report.results import Results

KNOB = "gamma"
NAMED = 4
"""So many lines of one panel are named; more would cover it."""
CAPTION = (
    "Share of the tokens that the base model wrote, with 95 % intervals over prompts. Each router has a "
    "gamma of its own kind: a probability, an entropy in nats, or a share; two panels do not compare."
)
Curve = list[tuple[float, float, float, float]]
"""Gamma, base share, and its interval."""


def draw_shares(results: Results) -> Picture | None:
    """Return base share against gamma; None when no method has a gamma and a base share."""
    curves = _curves(results)
    if not curves:
        return None
    named = looks(method for method in results.methods if method not in results.controls)
    columns = min(4, max(2, len(curves)))

    def fill(axes: Sequence[Axes]) -> None:
        for one, (method, lines) in zip(axes, curves.items(), strict=True):
            _panel(one, method, lines, named[method])

    sheet = Sheet("Base share against gamma", columns, len(curves), 1.7)
    return sheet.draw("base-share", CAPTION, {}, fill)


def _curves(results: Results) -> dict[str, dict[str, Curve]]:
    """Return by method, and by the values of its other knobs, a curve of rising gamma."""
    found: dict[str, dict[str, Curve]] = {}
    for setting in results.settings:
        gamma, rest = _gamma(setting)
        share = results.averages.get((setting.key, SHARE))
        if gamma is not None and share is not None and setting.method not in results.controls:
            point = (gamma, share.value, share.low, share.high)
            found.setdefault(setting.method, {}).setdefault(rest, []).append(point)
    return {method: {rest: sorted(curve) for rest, curve in lines.items()} for method, lines in found.items()}


def _gamma(setting: Setting) -> tuple[float | None, str]:
    """Return a setting's gamma, if it has one that can be drawn, and its other knobs."""
    knobs = setting.id.split(",")
    rest = ",".join(knob for knob in knobs if knob.rpartition("=")[0].rpartition(".")[2] != KNOB)
    values = [knob.rpartition("=")[2] for knob in knobs if knob.rpartition("=")[0].rpartition(".")[2] == KNOB]
    try:
        value = float(values[0]) if len(values) == 1 else None
    except ValueError:  # an infinity is written .inf, and has no place on the axis
        value = None
    return value, rest


def _panel(axes: Axes, method: str, lines: Mapping[str, Curve], look: Look) -> None:
    for index, (rest, curve) in enumerate(lines.items()):
        gammas, shares, lows, highs = zip(*curve, strict=True)
        dash = DASHES[index % len(DASHES)]
        axes.vlines(gammas, lows, highs, color=look.colour, linewidth=1)
        axes.plot(
            gammas, shares, dash, color=look.colour, marker=look.mark, markersize=3.5, linewidth=1, label=rest
        )
    axes.set_title(fitted(method, 24))
    axes.set_xlabel("gamma")
    axes.grid(True)
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    if 1 < len(lines) <= NAMED:
        axes.legend([fitted(rest, 16) for rest in lines], fontsize=LETTERS - 1.5, handlelength=2)
