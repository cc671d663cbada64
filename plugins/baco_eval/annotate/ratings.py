"""Reads the files that raters send back, and tells who wrote what they rated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from baco_core.errors import ConfigError
from baco_eval.annotate.key import FORMAT, NO_PREFERENCE, Key, SettingKey, letters

Mark = Annotated[int, msgspec.Meta(ge=1, le=5)] | None
AGAIN = "download the file from the page again."
T = TypeVar("T")


class Marks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The marks of a set; None is a question without an answer. Fields are the scales."""

    diversity: Mark
    quality: Mark
    creativity: Mark


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rater said of an item; `preference` is a letter, `none`, or None without an answer."""

    sets: dict[str, Any]
    preference: str | None


class RatingsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as the page saves it: by item an answer."""

    format: int
    export: str
    rater: str
    ratings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rated:
    """What a rater said of an item, with who wrote it. `preferred` is a setting, or `none`, or None."""

    rater: str
    item: str
    prompt: str
    marks: Mapping[SettingKey, Marks]
    preferred: SettingKey | str | None
    left: SettingKey
    """Whose texts stood first."""


def read_ratings(paths: Sequence[Path], key: Key) -> list[Rated]:
    """Return all answers of all raters.

    Raises ConfigError naming file, item and field for a file that cannot be read, of another export, of a
    rater who is there already or whom the export lacks, and for answers that are missing or out of range;
    also when no question is answered at all.
    """
    found: list[Rated] = []
    files: dict[str, Path] = {}
    for path in paths:
        data = _read(path)
        _check(path, data, key, files)
        files[data.rater] = path
        found += _rated(path, data, key)
    if not any(_answers(one) for one in found):
        raise ConfigError("no question is answered in these files; there is nothing to score.")
    return found


def _read(path: Path) -> RatingsFile:
    try:
        data = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the file: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: malformed JSON: {error}; {AGAIN}") from error
    return _converted(data, RatingsFile, str(path))


def _check(path: Path, data: RatingsFile, key: Key, files: Mapping[str, Path]) -> None:
    if data.format != FORMAT:
        raise ConfigError(f"{path}: format {data.format} is not known; this version reads format {FORMAT}.")
    if data.export != key.export:
        raise ConfigError(
            f"{path}: these are ratings of another export ({data.export[:8]}, not {key.export[:8]}); score "
            "them with the folder their page came from."
        )
    if data.rater not in key.raters:
        raise ConfigError(f"{path}: this export has no rater {data.rater!r}; it has {', '.join(key.raters)}.")
    if data.rater in files:
        raise ConfigError(
            f"{path}: ratings of rater {data.rater} are in {files[data.rater]} too; leave one out."
        )


def _rated(path: Path, data: RatingsFile, key: Key) -> list[Rated]:
    own = key.raters[data.rater]
    found = []
    for item, content in data.ratings.items():
        if item not in own:
            raise ConfigError(f"{path}: rater {data.rater} has no item {item!r}; {AGAIN}")
        where = f"{path}: item {list(own).index(item) + 1} ({item[:8]})"
        found.append(_one(data.rater, item, key, _converted(content, Answer, where), where))
    return found


def _one(rater: str, item: str, key: Key, answer: Answer, where: str) -> Rated:
    named = letters(key.raters[rater][item])
    if set(answer.sets) != set(named):
        there = ", ".join(sorted(answer.sets)) or "none"
        raise ConfigError(f"{where}: it must have sets {', '.join(named)}, not {there}; {AGAIN}")
    marks = {
        named[letter]: _converted(content, Marks, f"{where}, set {letter}")
        for letter, content in sorted(answer.sets.items())
    }
    allowed = [*named, NO_PREFERENCE]
    if answer.preference is not None and answer.preference not in allowed:
        raise ConfigError(
            f"{where}: preference must be one of {', '.join(allowed)}, not {answer.preference!r}."
        )
    preferred = named.get(answer.preference or "", answer.preference)
    return Rated(rater, item, key.prompts[item], marks, preferred, named["A"])


def _answers(one: Rated) -> bool:
    marks = [mark for own in one.marks.values() for mark in msgspec.structs.astuple(own)]
    return any(mark is not None for mark in (*marks, one.preferred))


def _converted(data: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}; {AGAIN}") from error
