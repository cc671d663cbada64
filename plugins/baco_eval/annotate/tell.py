"""What ratings say, as lines to read, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from baco_core.cli.plugins_command import table
from baco_eval.annotate.estimates import Estimate
from baco_eval.annotate.key import FORMAT, Key
from baco_eval.annotate.results import (
    JUDGEMENTS,
    PREFERENCE,
    Agreement,
    Correlation,
    Mean,
    Pair,
    Scored,
    agreement,
    correlations,
    left_preferred,
    means,
    pairs,
)
from baco_eval.report.measure import Measure
from baco_eval.sweep.errors import cannot_write
from baco_eval.sweep.lines import write_whole

BETTER = {1: "more", -1: "less", 0: "neither"}
ESTIMATE = ("value", "low", "high", "why")


@dataclass(frozen=True, slots=True)
class Told:
    """All that is told of an export's ratings."""

    key: Key
    scored: Scored
    means: Sequence[Mean]
    pairs: Sequence[Pair]
    left: Estimate
    agreement: Sequence[Agreement]
    correlations: Sequence[Correlation]
    uncorrelated: str
    """Why there are no correlations."""


def compute(key: Key, scored: Scored, measures: Sequence[Measure], uncorrelated: str) -> Told:
    """Return the numbers."""
    return Told(
        key,
        scored,
        means(scored),
        pairs(scored),
        left_preferred(scored),
        agreement(scored),
        correlations(scored, measures),
        uncorrelated,
    )


def lines(told: Told) -> str:
    """Return everything as tables to read."""
    parts = [
        _summary(told),
        _part("Marks of 1 to 5, and how often preferred", _means(told)),
        _part("Preferred, the first to the second", _pairs(told)),
        f"Set A was preferred in {_percent(told.left)} of the choices, whoever wrote it.\n",
        _part("Agreement of raters, Krippendorff's alpha", _agreement(told)),
    ]
    if told.uncorrelated:
        return "\n".join([*parts, f"Correlation with metrics: not measured ({told.uncorrelated}).\n"])
    overs = dict.fromkeys(one.over for one in told.correlations)
    title = "Spearman's correlation with metrics, over"
    return "\n".join([*parts, *(_part(f"{title} {over}", _correlations(told, over)) for over in overs)])


def _summary(told: Told) -> str:
    answers = told.scored.answers
    raters = {one.rater for one in answers}
    of = sum(len(told.key.raters[name]) for name in raters)
    return (
        f"{len(raters)} of {len(told.key.raters)} raters, {len(answers)} of their {of} items begun, "
        f"{len(told.scored.prompts)} prompts. {told.key.rule}\n"
        f"Means over prompts, with 95 % intervals of {len(told.scored.shares)} resamples of the prompts.\n"
    )


def _part(title: str, rows: Iterable[Sequence[str]]) -> str:
    return f"{title}\n{table(list(rows))}"


def _means(told: Told) -> Iterator[Sequence[str]]:
    yield ("SETTING", *(name.upper() for name in JUDGEMENTS), "PROMPTS")
    rows: dict[tuple[str, str | None], list[Mean]] = {}
    for one in told.means:
        rows.setdefault((one.method, one.setting), []).append(one)
    for (method, setting), own in rows.items():
        cells = [_percent(one.found) if one.judgement == PREFERENCE else _number(one.found) for one in own]
        yield (f"{method} {setting or '(all settings)'}", *cells, str(max(one.prompts for one in own)))


def _pairs(told: Told) -> Iterator[Sequence[str]]:
    yield ("FIRST", "SECOND", "PREFERRED", "COMPARISONS")
    for one in told.pairs:
        yield (" ".join(one.one), " ".join(one.other), _percent(one.found), str(one.comparisons))


def _agreement(told: Told) -> Iterator[Sequence[str]]:
    yield ("JUDGEMENT", "LEVEL", "ALPHA", "UNITS")
    for one in told.agreement:
        yield (one.judgement, one.level, _number(one.found), str(one.units))


def _correlations(told: Told, over: str) -> Iterator[Sequence[str]]:
    yield ("METRIC", "BETTER", *(name.upper() for name in JUDGEMENTS))
    rows: dict[str, list[Correlation]] = {}
    for one in told.correlations:
        if one.over == over:
            rows.setdefault(one.metric, []).append(one)
    for metric, own in rows.items():
        yield (metric, BETTER[own[0].direction], *(_number(one.found) for one in own))


def _number(one: Estimate) -> str:
    if one.value is None:
        return f"- ({one.why})"
    return f"{one.value:.2f}" + (f" [{one.low:.2f}, {one.high:.2f}]" if one.low is not None else "")


def _percent(one: Estimate) -> str:
    if one.value is None:
        return f"- ({one.why})"
    return f"{one.value:.0%}" + (f" [{one.low:.0%}, {one.high:.0%}]" if one.low is not None else "")


def write(told: Told, out: Path) -> list[Path]:
    """Write JSON and CSV files into a folder and return them; SweepError when one can't be."""
    content = {
        "results.json": _json(told),
        "means.csv": _csv(
            ("judgement", "method", "setting", *ESTIMATE, "prompts", "ratings"),
            (
                (one.judgement, one.method, one.setting, *_values(one.found), one.prompts, one.ratings)
                for one in told.means
            ),
        ),
        "preferences.csv": _csv(
            ("method", "setting", "to_method", "to_setting", *ESTIMATE, "comparisons"),
            ((*one.one, *one.other, *_values(one.found), one.comparisons) for one in told.pairs),
        ),
        "agreement.csv": _csv(
            ("judgement", "level", *ESTIMATE, "units"),
            ((one.judgement, one.level, *_values(one.found), one.units) for one in told.agreement),
        ),
        "correlations.csv": _csv(
            ("judgement", "metric", "direction", "over", *ESTIMATE),
            (
                (one.judgement, one.metric, one.direction, one.over, *_values(one.found))
                for one in told.correlations
            ),
        ),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    for name, body in content.items():
        write_whole(out / name, body.encode())
    return [out / name for name in content]


def _json(told: Told) -> str:
    data = {
        "format": FORMAT,
        "export": told.key.export,
        "rule": told.key.rule,
        "texts": told.key.texts,
        "raters": sorted({one.rater for one in told.scored.answers}),
        "answers": len(told.scored.answers),
        "prompts": list(told.scored.prompts),
        "resamples": len(told.scored.shares),
        "means": [asdict(one) for one in told.means],
        "preferences": [asdict(one) for one in told.pairs],
        "left_preferred": asdict(told.left),
        "agreement": [asdict(one) for one in told.agreement],
        "correlations": [asdict(one) for one in told.correlations],
        "correlations_not_measured": told.uncorrelated or None,
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _values(one: Estimate) -> tuple[Any, ...]:
    return one.value, one.low, one.high, one.why


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return file.getvalue()
