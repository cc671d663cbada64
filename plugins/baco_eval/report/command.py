"""`baco report`: tables, pictures and one page of a sweep that is scored."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from baco_core.command import Command


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a sweep's folder, with scores")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where the report goes (default: report in the sweep's folder)",
    )
    parser.add_argument(
        "--rule",
        choices=("staircase", "trapezoid"),
        default="staircase",
        help="how Coverage takes the area (default: staircase)",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="resamples of the prompts that intervals are made of (default: 1000)",
    )
    parser.add_argument("--partial", action="store_true", help="leave out settings that have no score yet")


def _run(options: Namespace) -> int:
    _need_matplotlib()
    from baco_core.plugins import load_plugins
    from baco_eval.report.read import manifest_of, read
    from baco_eval.report.results import compute
    from baco_eval.report.write import write

    folder: Path = options.folder
    wanted = manifest_of(folder).config.get("plugins", [])
    material = read(folder, load_plugins([*wanted, *options.plugin]))
    results = compute(
        material.manifest.settings,
        material.measures,
        options.rule,
        options.resamples,
        partial=options.partial,
    )
    written = write(results, material, options.out or folder / "report")
    for note in results.notes:
        print(note, file=sys.stderr)
    for path in written:
        print(path)
    return 0


def _need_matplotlib() -> None:
    from baco_core.errors import ConfigError

    try:
        import matplotlib  # noqa: F401 -- before the modules that draw are imported
    except ImportError as error:
        raise ConfigError(f"pictures need matplotlib ({error}); pip install 'baco[eval]'.") from error


COMMAND = Command("Show what a scored sweep says: a page, pictures, tables.", _configure, _run)
