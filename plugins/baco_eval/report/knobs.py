"""Draws base share against gamma: what a knob does, which alone compares routers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from baco_eval.records import Setting
from baco_eval.report.ink import FAINT, GRID, WIDTH, legend, line, looks, mark, number, picture, text
from baco_eval.report.results import Results

KNOB, SHARE = "gamma", "base-share"
LEFT, RIGHT, HIGH = 60.0, 24.0, 260.0
Curves = Mapping[tuple[str, str], list[tuple[float, float, float, float]]]
"""By method and its other knobs: gamma, base share, and its interval."""


def draw_shares(results: Results) -> str | None:
    """Return base share against gamma as SVG; None when no method has a gamma and a base share."""
    curves = {name: curve for name, curve in _curves(results).items() if curve}
    if not curves:
        return None
    gammas = [point[0] for curve in curves.values() for point in curve]
    low, high = min(0.0, *gammas), max(1.0, *gammas)
    named = looks(results.methods)
    key, top = legend({name: named[name] for name in dict.fromkeys(m for m, _ in curves)}, 46)
    top += 8
    body = [*_frame(top, low, high)]
    for (method, _), curve in curves.items():
        look = named[method]
        places = [(_across(x, low, high), top + (1 - y) * HIGH) for x, y, _, _ in curve]
        body += [
            line([(_across(x, low, high), top + (1 - end) * HIGH) for end in ends], look.colour, 1)
            for x, _, *ends in curve
        ]
        body.append(line(places, look.colour, 1.6))
        body += [mark(x, y, look) for x, y in places]
    head = text(16, 22, "Base share against gamma, with 95 % intervals over prompts", bold=True)
    return picture("Base share against gamma", [head, *key, *body], top + HIGH + 48)


def _curves(results: Results) -> Curves:
    found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for setting in results.settings:
        gamma, rest = _gamma(setting)
        share = results.averages.get((setting.key, SHARE))
        if gamma is not None and share is not None:
            point = (gamma, share.value, share.low, share.high)
            found.setdefault((setting.method, rest), []).append(point)
    return {name: sorted(curve) for name, curve in found.items()}


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


def _across(value: float, low: float, high: float) -> float:
    return LEFT + 10 + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT - 20)


def _frame(top: float, low: float, high: float) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, top + HIGH
    for part in (0, 0.25, 0.5, 0.75, 1):
        y, value = bottom - part * HIGH, low + part * (high - low)
        x = _across(value, low, high)
        yield line([(LEFT, y), (right, y)], GRID, 0.8)
        yield line([(x, top), (x, bottom)], GRID, 0.8)
        yield text(LEFT - 8, y + 4, f"{part:.0%}", anchor="end", fill=FAINT)
        yield text(x, bottom + 17, number(value), anchor="middle", fill=FAINT)
    yield text((LEFT + right) / 2, bottom + 36, "gamma →", anchor="middle")
