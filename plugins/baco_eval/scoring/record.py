"""`scores/NAME.json`: what the scores beside it were measured with, so that no others are mixed in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from baco_core.options import show
from baco_eval.records import FORMAT
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.lines import write_whole

if TYPE_CHECKING:
    from baco_core.plugins import Plugins

SCORES_NAME = "scores"


class ScoreRecord(msgspec.Struct, frozen=True):
    """The content of the file. `models` has the hash of each model the metric runs, by option."""

    metric: str
    options: dict[str, Any]
    models: dict[str, str] = {}
    format: int = FORMAT


def scores_path(folder: Path, name: str) -> Path:
    """Return the file of the scores that results call `name`."""
    return folder / SCORES_NAME / f"{name}.jsonl"


def read_record(folder: Path, name: str) -> ScoreRecord | None:
    """Return what scores were measured with, None when that is not told; SweepError when unreadable."""
    path = record_path(folder, name)
    try:
        return msgspec.json.decode(path.read_bytes(), type=ScoreRecord)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SweepError(f"{path}: cannot read the file: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SweepError(f"{path}: malformed record: {error}; remove it and the scores beside it.") from error


def write_record(record: ScoreRecord, folder: Path, name: str) -> None:
    """Write the file, all of it or none."""
    content = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    write_whole(record_path(folder, name), content)


def record_path(folder: Path, name: str) -> Path:
    """Return the file that says what the scores of a name were measured with."""
    return scores_path(folder, name).with_suffix(".json")


def check_same(old: ScoreRecord | None, new: ScoreRecord, folder: Path, name: str) -> None:
    """Raise SweepError saying what differs, when scores of `new` do not belong to those of `old`."""
    path = scores_path(folder, name)
    if old is None:
        raise SweepError(f"{path}: nothing tells what it was measured with; remove it, or choose a 'label'.")
    found = _difference("metric", {"": old.metric}, {"": new.metric})
    found = found or _difference("option", old.options, new.options)
    found = found or (new.models and _difference("model", old.models, new.models)) or ""
    if found:
        raise SweepError(
            f"{path}: was measured with {found}; give the metric another 'label', or remove the file."
        )


def follows(old: ScoreRecord, new: ScoreRecord, told: Collection[str]) -> str:
    """Return how records differ if they do so in the options `told` alone, which follow from the texts."""
    same = {**old.options, **{key: new.options.get(key) for key in told}}
    if old.options == new.options or msgspec.structs.replace(old, options=same) != new:
        return ""
    return _difference("option", old.options, new.options)


def metric_of(folder: Path, name: str, plugins: Plugins) -> Callable[..., Any]:
    """Return the registered metric whose scores a folder calls `name`: by its label, or by its own name.

    Raises LookUpError naming the file, for a metric that no plugin has.
    """
    return plugins.metrics.get(measured_by(folder, name), where=str(scores_path(folder, name)))


def measured_by(folder: Path, name: str) -> str:
    """Return the name of the metric whose scores a folder calls `name`."""
    record = read_record(folder, name)
    return record.metric if record else name


def _difference(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for key in [*before, *(key for key in now if key not in before)]:
        if before.get(key) != now.get(key):
            label = f"{what} {key!r}" if key else what
            return f"{label} {show(before.get(key))}, and now it is {show(now.get(key))}"
    return ""
