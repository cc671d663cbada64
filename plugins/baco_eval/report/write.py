"""Writes a report's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from baco_eval.report.dots import draw_coverage, draw_differences, draw_dominance
from baco_eval.report.figure import Picture
from baco_eval.report.page import page
from baco_eval.report.planes import draw_means, draw_planes
from baco_eval.report.read import Material
from baco_eval.report.results import Results
from baco_eval.report.shares import draw_shares
from baco_eval.report.tables import differences_csv, means_csv, planes_csv, report_json, settings_csv
from baco_eval.sweep.errors import cannot_write
from baco_eval.sweep.lines import write_whole


def write(results: Results, material: Material, out: Path) -> list[Path]:
    """Write all files into a folder and return them, the page first; SweepError when one can't be."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    pictures = draw(results)
    content = {
        "report.html": page(results, material, pictures).encode(),
        "report.json": report_json(results, material).encode(),
        "settings.csv": settings_csv(results).encode(),
        "planes.csv": planes_csv(results).encode(),
        "means.csv": means_csv(results).encode(),
        "differences.csv": differences_csv(results).encode(),
        **{f"{name}.svg": picture.svg.encode() for name, picture in pictures.items()},
        **{f"{name}.png": picture.png for name, picture in pictures.items()},
    }
    for name, body in content.items():
        write_whole(out / name, body)
    return [out / name for name in content]


def draw(results: Results) -> dict[str, Picture]:
    """Return the pictures by the names of their files."""
    return dict(_drawn(results))


def _drawn(results: Results) -> Iterator[tuple[str, Picture]]:
    whole = {
        "coverage": draw_coverage(results),
        "dominance": draw_dominance(results),
        "differences": draw_differences(results),
        "overview": draw_means(results),
    }
    yield from ((name, picture) for name, picture in whole.items() if picture)
    for quality in dict.fromkeys(quality for _, quality in results.planes):
        yield f"planes-{quality}", draw_planes(results, quality)
    if shares := draw_shares(results):
        yield "base-share", shares
