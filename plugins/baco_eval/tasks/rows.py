"""Rows of data files, and errors that name file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from baco_core.errors import ConfigError
from baco_core.options import show
from baco_eval.records import Prompt

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a file; `place` is where it stands, as in `prompts.jsonl:3`."""

    place: str
    number: int
    data: Mapping[str, Any]

    def error(self, message: str) -> ConfigError:
        """Return the error for this row."""
        return ConfigError(f"{self.place}: {message}")

    def text(self, field: str) -> str:
        """Return a field that must hold text with something in it."""
        if field not in self.data:
            fields = ", ".join(sorted(map(str, self.data))) or "none"
            raise self.error(f"field {field!r} is missing; there are: {fields}.")
        value = self.data[field]
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"field {field!r} must be text that is not empty, not {show(value)}.")
        return value

    def name(self, field: str) -> str | None:
        """Return a field with a name or a whole number, as text; None where there is none."""
        value = self.data.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
            raise self.error(f"field {field!r} must be text or a whole number, not {show(value)}.")
        return str(value)

    def texts(self, field: str) -> tuple[str, ...]:
        """Return a field with a list of texts, none of them empty; nothing where there is none."""
        value = self.data.get(field)
        if value is None:
            return ()
        if not isinstance(value, (list, tuple)):
            raise self.error(f"field {field!r} must be a list of texts, not {show(value)}.")
        for item in value:
            if not isinstance(item, str) or not item.strip():
                raise self.error(f"field {field!r} must hold texts that are not empty, not {show(item)}.")
        return tuple(value)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the objects of a JSONL file, blank lines left out, or of a Parquet file.

    Raises ConfigError naming file and line: not readable, not UTF-8, no JSON, cut off, no object.
    """
    return _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, without a byte order mark; ConfigError when it cannot be read."""
    try:
        return path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the file: {error.strerror}.") from error


def decode_json(data: bytes, place: str) -> Any:
    """Return the value of a JSON text; ConfigError says what is wrong with it."""
    try:
        return msgspec.json.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{place}: not valid UTF-8 (byte {error.start + 1} of the line).") from None
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise ConfigError(f"{place}: the JSON is cut off in the middle; get the file again.") from None
        raise ConfigError(f"{place}: no valid JSON: {error}.") from None


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_bytes(path).split(b"\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        value = decode_json(line, place)
        if not isinstance(value, dict):
            hint = " (a JSON list; write one object a line)" if isinstance(value, list) else ""
            raise ConfigError(f"{place}: expected an object with fields, got {show(value)}{hint}.")
        yield Row(place, number, value)


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigError(f"{path}: Parquet files need pyarrow: pip install 'baco[eval]'.") from None
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for data in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}: row {number}", number, data)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise ConfigError(f"{path}: no valid Parquet: {str(error).splitlines()[0].rstrip('.')}.") from error


def collect(
    prompts: Iterator[tuple[Row, Prompt]],
    limit: int | None,
    source: str,
    lack: str = "there are no prompts in it; it needs at least one",
) -> tuple[Prompt, ...]:
    """Return at most `limit` prompts; ConfigError for an id that comes twice and for none at all (`lack`)."""
    seen: dict[str, Row] = {}
    found = []
    for row, prompt in islice(prompts, limit):
        first = seen.setdefault(prompt.id, row)
        if first is not row:
            raise row.error(f"the id {prompt.id!r} is that of {first.place}; ids must be unique.")
        found.append(prompt)
    if not found:
        raise ConfigError(f"{source}: {lack}.")
    return tuple(found)
