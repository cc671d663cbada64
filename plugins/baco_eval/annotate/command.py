"""`baco annotate`: pages for people to rate texts on, and what their ratings say."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.command import Command

if TYPE_CHECKING:
    from baco_eval.annotate.key import Key
    from baco_eval.report.measure import Measure


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    _configure_export(
        actions.add_parser("export", help="make blinded pages, one for each rater", allow_abbrev=False)
    )
    _configure_score(actions.add_parser("score", help="say what ratings say", allow_abbrev=False))


def _configure_export(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="DIR", help="a finished sweep's folder")
    add("--out", type=Path, metavar="FOLDER", required=True, help="where pages and key go")
    add("--settings", metavar="METHOD:ID,...", help="which settings (default: one of each method)")
    add(
        "--base-share",
        type=_share,
        default=0.25,
        metavar="SHARE",
        help="without --settings, take of each method the one nearest to this base share (default: 0.25)",
    )
    add(
        "--prompts",
        type=_number(1),
        metavar="N",
        help="prompts, drawn by the seed (default: up to 12)",
    )
    add("--texts", type=_number(2), metavar="K", help="texts of a set (default: up to 4)")
    add("--raters", type=_number(1), default=3, metavar="N", help="how many pages (default: 3)")
    add(
        "--shared",
        type=_share,
        default=0.5,
        metavar="SHARE",
        help="how many of the items all raters get; the others are dealt out (default: 0.5)",
    )
    add(
        "--columns",
        type=int,
        choices=(2, 3, 4),
        default=2,
        help="how many sets side by side (default: 2)",
    )
    add("--seed", type=_number(0), default=0, metavar="S", help="same seed, same pages (default: 0)")
    parser.set_defaults(run=_export)


def _configure_score(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="the folder of the export, with key.json")
    add("ratings", type=Path, nargs="+", metavar="RATINGS.json", help="files that raters sent back")
    add("--out", type=Path, metavar="DIR", help="where tables go (default: results in FOLDER)")
    add("--sweep", type=Path, metavar="DIR", help="the sweep's folder, if it is elsewhere now")
    add(
        "--resamples",
        type=_number(1),
        default=1000,
        metavar="N",
        help="resamples of the prompts that intervals are made of (default: 1000)",
    )
    parser.set_defaults(run=_score)


def _number(least: int) -> Any:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ArgumentTypeError(f"{text!r} is no whole number of {least} or more")
        return int(text)

    return parse


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r} is no share from 0 to 1")
    return value


def _export(options: Namespace) -> int:
    from baco_eval.annotate.export import Wanted, make_key, way_to, write_export
    from baco_eval.annotate.texts import read_texts

    texts = read_texts(options.folder, options.plugin)
    wanted = Wanted(**{name: getattr(options, name) for name in Wanted.__dataclass_fields__})
    key = make_key(texts, wanted, way_to(options.folder, options.out))
    written = write_export(texts, key, options.out)
    print(key.rule, file=sys.stderr)
    for one in key.settings:
        print(f"  {one.method} {one.id}, base share {one.base_share:.0%}", file=sys.stderr)
    counts = sorted({len(items) for items in key.raters.values()})
    told = " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]])))
    print(f"{len(key.raters)} pages of {told} items. Give out the pages only:", file=sys.stderr)
    print(f"{written[0]} tells who wrote what.", file=sys.stderr)
    for path in written:
        print(path)
    return 0


def _score(options: Namespace) -> int:
    from baco_eval.annotate.key import read_key
    from baco_eval.annotate.ratings import read_ratings
    from baco_eval.annotate.results import score
    from baco_eval.annotate.tell import compute, lines, write

    key = read_key(options.folder)
    scored = score(key, read_ratings(options.ratings, key), options.resamples)
    measures, lacking = _measures(options, key)
    told = compute(key, scored, measures, lacking)
    written = write(told, options.out or options.folder / "results")
    sys.stdout.write(lines(told))
    for path in written:
        print(path, file=sys.stderr)
    return 0


def _measures(options: Namespace, key: Key) -> tuple[Sequence[Measure], str]:
    """Return the sweep's scores, or why there are none; ConfigError for another sweep."""
    from baco_core.errors import ConfigError
    from baco_core.plugins import load_plugins
    from baco_eval.report.read import manifest_of, read
    from baco_eval.scoring.record import SCORES_NAME

    sweep: Path = options.sweep or options.folder / key.sweep
    if not options.sweep and not sweep.is_dir():
        return [], f"the sweep is no longer at {sweep}; name it with --sweep"
    manifest = manifest_of(sweep)
    if manifest.config_sha256 != key.config_sha256:
        raise ConfigError(f"{sweep}: this is not the sweep the texts came from; name that one with --sweep.")
    if not any((sweep / SCORES_NAME).glob("*.jsonl")):
        return [], f"{sweep} has no scores; run baco score first"
    return read(sweep, load_plugins([*manifest.config.get("plugins", []), *options.plugin])).measures, ""


COMMAND = Command("Let people rate texts, and say what they say.", _configure, lambda _: 2)
