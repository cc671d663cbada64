"""Folders that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baco_core.errors import ExportError

_PARTIAL = ".partial-"


@contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """Give a fresh folder beside `target` to write into; it is gone afterwards unless it was renamed.

    What a killed process left behind is removed first: its process id is in the name. Raises
    ExportError when the folder cannot be written or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target)
        folder = target.parent / f".{target.name}{_PARTIAL}{os.getpid()}"
        folder.mkdir()
    except OSError as error:
        raise ExportError(
            f"{target}: cannot write there ({error.strerror}); choose another folder."
        ) from error
    try:
        yield folder
    except OSError as error:
        raise disk_error(error, target) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(target: Path) -> None:
    """Remove the partial folders beside `target` whose process has ended."""
    for folder in target.parent.glob(f".{target.name}{_PARTIAL}*"):
        process = folder.name.rpartition("-")[2]
        if process == str(os.getpid()) or not _is_running(process):
            shutil.rmtree(folder, ignore_errors=True)


def disk_error(error: OSError, target: Path) -> ExportError:
    """Return the one-line error for a write that failed on the way to `target`."""
    reason = error.strerror or str(error)
    return ExportError(
        f"{target}: could not be written ({reason}); nothing was left there. Free space and repeat."
    )


def need_space(folder: Path, wanted: int, what: str) -> None:
    """Raise ExportError when the disk of `folder` has less than `wanted` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise ExportError(
            f"{folder}: {what} needs {wanted / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free; "
            "free space or choose another disk."
        )


def _is_running(process: str) -> bool:
    if not process.isdecimal():
        return False
    if os.name != "posix":
        return True  # there is no harmless way to ask
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
