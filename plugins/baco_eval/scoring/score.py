"""Measures what was written: a file of scores for each metric, which only grows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from baco_core.errors import BacoError, PluginError
from baco_eval.metrics.metric import NotMeasured, Unavailable
from baco_eval.records import Generation, Prompt, Score
from baco_eval.scoring.choice import Chosen
from baco_eval.scoring.groups import Group
from baco_eval.scoring.record import (
    SCORES_NAME,
    check_same,
    follows,
    read_record,
    scores_path,
    write_record,
)
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.lines import Lines, content_of, whole_lines, write_whole
from baco_eval.sweep.progress import EVERY_S, Progress

Groups = Mapping[Group, Sequence[Generation]]
Prompts = Mapping[str, Prompt]
Tell = Callable[[str], None]


def read_scores(folder: Path, name: str) -> list[Score]:
    """Return the scores of a name; [] when there are none. A last line that a crash cut is left out.

    Raises SweepError naming file and line for any other line that is no score.
    """
    path = scores_path(folder, name)
    decoder, found = msgspec.json.Decoder(Score), []
    for number, line in enumerate(content_of(path)[: whole_lines(path)].split(b"\n")[:-1], 1):
        try:
            found.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SweepError(f"{path}:{number}: this line is no score: {error}; remove the file.") from error
    return found


def score(folder: Path, metrics: Sequence[Chosen], groups: Groups, prompts: Prompts, tell: Tell) -> None:
    """Measure every group that a metric has no score of, and keep each score as soon as it is known.

    What cannot be measured is kept with its reason, and tried again the next time: its model may be there
    then. Raises SweepError when a file is damaged or full, or, before anything is measured, when scores
    are there that were measured with something else.
    """
    (folder / SCORES_NAME).mkdir(exist_ok=True)
    there = {one.name: _claimed(folder, one, tell) for one in metrics}
    for number, one in enumerate(metrics, 1):
        known = {(each.method, each.setting, each.prompt) for each in there[one.name]}
        missing = {group: texts for group, texts in groups.items() if group not in known}
        progress = Progress(len(groups), len(known), tell, EVERY_S, what=f"scores of {one.name}")
        found: list[Score] = []
        try:
            for each in _measured(folder, one, missing, prompts):
                found.append(each)
                progress.count(f"metric {number} of {len(metrics)}")
        except (KeyboardInterrupt, BacoError):
            kept = len(known) + len(found)
            tell(f"{one.name}: {kept} of {len(groups)} scores are kept; the same command goes on.")
            raise
        tell(_told(one.name, len(known), found))


def _claimed(folder: Path, one: Chosen, tell: Tell) -> list[Score]:
    """Return the scores that have a value and belong to the metric; the others leave the file.

    Where texts were added, what follows from all of them may be another: then all is measured again.
    """
    there = read_scores(folder, one.name)
    kept = [each for each in there if each.value is not None]
    old = read_record(folder, one.name)
    if kept and old and (changed := follows(old, one.record, one.told)):
        tell(f"{one.name}: measured again: it was with {changed}.")
        kept = []
    if kept:
        check_same(old, one.record, folder, one.name)
    if len(kept) < len(there):
        content = b"".join(msgspec.json.encode(each) + b"\n" for each in kept)
        write_whole(scores_path(folder, one.name), content)
    if not kept and old != one.record:
        write_record(one.record, folder, one.name)
    return kept


def _measured(folder: Path, one: Chosen, missing: Groups, prompts: Prompts) -> Iterator[Score]:
    """Yield the scores of the missing groups, each when it is in the file."""
    lines = Lines(scores_path(folder, one.name), durable=False)
    try:
        lines.cut(whole_lines(lines.path))
        reason = one.unavailable
        for group, texts in missing.items():
            found = Score(one.name, *group, None, reason) if reason else None
            if found is None:
                found, reason = _score(one, group, texts, prompts[group[2]])
            lines.append(found)
            yield found
    finally:
        lines.close()


def _score(one: Chosen, group: Group, texts: Sequence[Generation], prompt: Prompt) -> tuple[Score, str]:
    """Return a group's score, and why there will be none of any other group, if so."""
    try:
        value = float(one.metric.measure(texts, prompt))
    except Unavailable as reason:
        return Score(one.name, *group, None, str(reason)), str(reason)
    except NotMeasured as reason:
        return Score(one.name, *group, None, str(reason)), ""
    except BacoError:
        raise
    except Exception as error:
        place = f"prompt {group[2]!r} of {group[0]!r} with {group[1]!r}"
        raise PluginError(
            f"Metric {one.record.metric!r} failed on {place}: {type(error).__name__}: {error}."
        ) from error
    if not math.isfinite(value):
        return Score(one.name, *group, None, f"the metric gave {value}."), ""
    return Score(one.name, *group, value), ""


def _told(name: str, known: int, found: Sequence[Score]) -> str:
    reasons = {one.not_measured for one in found if one.value is None}
    lacking = sum(one.value is None for one in found)
    why = f"; {lacking} not measured ({'; '.join(sorted(reasons)[:2])})" if lacking else ""
    return f"{name}: {len(found) - lacking} measured now, {known} before{why}"
