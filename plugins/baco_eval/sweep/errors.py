"""What can be wrong with a sweep's folder."""

from __future__ import annotations

import errno
from pathlib import Path

from baco_core.errors import BacoError

_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG")}


class SweepError(BacoError):
    """A sweep's folder cannot be used: it is locked, damaged, full, or belongs to another sweep."""


def cannot_write(path: Path, error: OSError) -> SweepError:
    """Return the error for a file that could not be written; a full disk says what to do."""
    if error.errno in _FULL:
        return SweepError(
            f"{path}: {error.strerror}; all finished texts are kept: make room, then give the command again."
        )
    return SweepError(f"{path}: cannot write the file: {error.strerror or error}.")
