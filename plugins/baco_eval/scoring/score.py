"""Measures what was written: a file of scores for each metric, which only grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from baco_eval.metrics.metric import Metric, NotMeasured
from baco_eval.records import Generation, Prompt, Score
from baco_eval.scoring.groups import Group
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.lines import Lines, whole_lines, write_whole

SCORES_NAME = "scores"


def read_scores(folder: Path, metric: str) -> list[Score]:
    """Return a metric's scores; [] when there are none. A last line that a crash cut is left out.

    Raises SweepError naming file and line for any other line that is no score.
    """
    path = scores_path(folder, metric)
    if not path.exists():
        return []
    decoder, found = msgspec.json.Decoder(Score), []
    for number, line in enumerate(path.read_bytes()[: whole_lines(path)].split(b"\n")[:-1], 1):
        try:
            found.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SweepError(f"{path}:{number}: this line is no score: {error}; remove the file.") from error
    return found


def scores_path(folder: Path, metric: str) -> Path:
    """Return the file of a metric's scores."""
    return folder / SCORES_NAME / f"{metric}.jsonl"


def score(
    folder: Path,
    metrics: Mapping[str, Metric],
    groups: Mapping[Group, Sequence[Generation]],
    prompts: Mapping[str, Prompt],
    tell: Callable[[str], None],
) -> None:
    """Measure every group that a metric has no score of, and keep each score as soon as it is known.

    What cannot be measured is kept with its reason, and tried again the next time: its model may be there
    then. Raises SweepError when a file is damaged or full.
    """
    (folder / SCORES_NAME).mkdir(exist_ok=True)
    for name, metric in metrics.items():
        known = {(one.method, one.setting, one.prompt) for one in _with_values(folder, name)}
        missing = {group: texts for group, texts in groups.items() if group not in known}
        lines = Lines(scores_path(folder, name), durable=False)
        try:
            lines.cut(whole_lines(lines.path))
            found = [
                _added(lines, _score(name, metric, group, texts, prompts)) for group, texts in missing.items()
            ]
        finally:
            lines.close()
        tell(_told(name, len(known), found))


def _with_values(folder: Path, metric: str) -> list[Score]:
    """Return the scores that have a value; the others leave the file."""
    there = read_scores(folder, metric)
    kept = [one for one in there if one.value is not None]
    if len(kept) < len(there):
        content = b"".join(msgspec.json.encode(one) + b"\n" for one in kept)
        write_whole(scores_path(folder, metric), content)
    return kept


def _added(lines: Lines, found: Score) -> Score:
    lines.append(found)
    return found


def _score(
    name: str, metric: Metric, group: Group, texts: Sequence[Generation], prompts: Mapping[str, Prompt]
) -> Score:
    try:
        value = float(metric.measure(texts, prompts[group[2]]))
    except NotMeasured as reason:
        return Score(name, *group, None, str(reason))
    if not math.isfinite(value):
        return Score(name, *group, None, f"the metric gave {value}.")
    return Score(name, *group, value)


def _told(name: str, known: int, found: Sequence[Score]) -> str:
    reasons = {one.not_measured for one in found if one.value is None}
    lacking = sum(one.value is None for one in found)
    why = f"; {lacking} not measured ({'; '.join(sorted(reasons)[:2])})" if lacking else ""
    return f"{name}: {len(found)} measured now, {known} before{why}"
