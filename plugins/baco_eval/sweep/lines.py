"""Files of JSON lines that only grow, and files that are whole at any time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from baco_eval.sweep.errors import SweepError, cannot_write


class Lines:
    """Appends lines to a file. A line is there as a whole or not at all.

    With `durable`, a line that `append` has returned from outlives a power cut as well.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Open or make the file; SweepError when it cannot be written."""
        self.path = path
        self._durable = durable
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            sync_folder(path.parent)
        except OSError as error:
            raise cannot_write(path, error) from error
        self._size = os.fstat(self._descriptor).st_size

    def append(self, item: Any) -> None:
        """Write one line; SweepError when the disk is full, and then nothing of the line stays."""
        line = msgspec.json.encode(item) + b"\n"
        try:
            self._write(line)
            if self._durable:
                os.fsync(self._descriptor)
        except OSError as error:
            self._undo()
            raise cannot_write(self.path, error) from error
        except BaseException:  # Ctrl-C between two halves of a line
            self._undo()
            raise
        self._size += len(line)

    def cut(self, size: int) -> None:
        """Drop what comes after the first `size` bytes."""
        try:
            os.ftruncate(self._descriptor, size)
            os.fsync(self._descriptor)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._size = size

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def _undo(self) -> None:
        """Drop half a line; where even that fails, reading the file repairs it."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, self._size)


def whole_lines(path: Path) -> int:
    """Return how many bytes of a file are whole lines; 0 without a file. SweepError as `content_of`."""
    return content_of(path).rfind(b"\n") + 1


def content_of(path: Path) -> bytes:
    """Return a file's bytes, none when there is no file; SweepError when it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SweepError(f"{path}: cannot read the file: {error.strerror}.") from error


def write_whole(path: Path, content: bytes) -> None:
    """Give a file new content, all of it or none; SweepError when it cannot be written."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise cannot_write(path, error) from error


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlive a power cut, where the system can."""
    flag = getattr(os, "O_DIRECTORY", None)
    if flag is None:
        return
    descriptor = os.open(folder, os.O_RDONLY | flag)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
