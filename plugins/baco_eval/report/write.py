"""Writes a report's files."""

from __future__ import annotations

from pathlib import Path

from baco_eval.report.knobs import draw_shares
from baco_eval.report.page import page
from baco_eval.report.planes import draw_planes
from baco_eval.report.read import Material
from baco_eval.report.results import Results
from baco_eval.report.tables import means_csv, planes_csv, report_json, settings_csv
from baco_eval.sweep.errors import cannot_write
from baco_eval.sweep.lines import write_whole


def write(results: Results, material: Material, out: Path) -> list[Path]:
    """Write all files into a folder and return them, the page first; SweepError when one can't be."""
    pictures = draw(results)
    content = {
        "report.html": page(results, material, pictures),
        "report.json": report_json(results, material.manifest),
        "settings.csv": settings_csv(results),
        "planes.csv": planes_csv(results),
        "means.csv": means_csv(results),
        **{f"{name}.svg": svg for name, svg in pictures.items()},
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    for name, body in content.items():
        write_whole(out / name, body.encode())
    return [out / name for name in content]


def draw(results: Results) -> dict[str, str]:
    """Return the pictures as SVG by name."""
    qualities = dict.fromkeys(quality for _, quality in results.planes)
    shares = draw_shares(results)
    planes = {f"planes-{quality}": draw_planes(results, quality) for quality in qualities}
    return {**planes, **({"base-share": shares} if shares else {})}
