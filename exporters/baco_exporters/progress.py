"""What a long job says while it works: one line a phase on stderr, the libraries' noise in a log."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from baco_core.errors import ExportError


@dataclass(frozen=True, slots=True)
class Progress:
    """Writes phases and notes to a stream; `None` says nothing."""

    stream: TextIO | None = None

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Say what begins, and how many seconds it took once it ended well."""
        started = time.monotonic()
        self._write(f"{title} ... ")
        try:
            yield
        except BaseException:
            self._write("failed\n")
            raise
        self._write(f"{time.monotonic() - started:.1f} s\n")

    def note(self, text: str) -> None:
        """Write one line."""
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        if self.stream is not None:
            self.stream.write(text)
            self.stream.flush()


@contextmanager
def quiet(log: Path) -> Iterator[Progress]:
    """Send everything written to stdout and stderr to `log`, except the progress that is handed out.

    Works on the file descriptors: exporters also write from C++, and handlers keep the stream they
    were made with. Warnings go to the log as well.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with (
        os.fdopen(os.dup(2), "w", encoding="utf-8") as stream,
        _open_log(log) as sink,
        _descriptors_to(sink.fileno()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        warnings.showwarning = _log_warning
        yield Progress(stream)


def _open_log(log: Path) -> BinaryIO:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return log.open("wb")
    except OSError as error:
        raise ExportError(
            f"{log}: cannot write the log ({error.strerror}); set BACO_CACHE to a writable folder."
        ) from error


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    os.write(2, warnings.formatwarning(message, category, filename, lineno, line).encode())


@contextmanager
def _descriptors_to(sink: int) -> Iterator[None]:
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        for descriptor in saved:
            os.dup2(sink, descriptor)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in saved.items():
            os.dup2(original, descriptor)
            os.close(original)
