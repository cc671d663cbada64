"""One process a folder: a lock that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baco_eval.sweep.errors import SweepError, cannot_write

LOCK_NAME = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; SweepError naming the process that has it.

    The lock is the system's (flock), not the file: what a killed process left is taken over at once.
    The file tells people who holds it, and is empty when nobody does.
    """
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        if not _taken(descriptor, path):
            raise SweepError(f"{folder}: process {_holder(path)} is writing here; let it end first.")
        _name(descriptor, f"{os.getpid()}\n", path)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, path: Path) -> bool:
    try:
        return _take(descriptor)
    except OSError as error:  # a file system without locks
        raise SweepError(f"{path}: cannot lock the folder: {error.strerror}; use another disk.") from error


def _name(descriptor: int, text: str, path: Path) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())
    except OSError as error:
        raise cannot_write(path, error) from error


def _holder(path: Path) -> str:
    """Return the process id the file names; it may be unreadable for the moment it is being written."""
    try:
        return path.read_text("utf-8").strip() or "(unknown)"
    except OSError:
        return "(unknown)"


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows forbids reading locked bytes, so those locked are none of the text's

    def _take(descriptor: int) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
