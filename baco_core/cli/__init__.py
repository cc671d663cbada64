"""The command line. Results go to stdout, everything else to stderr.

Exit codes: 0; 2 for a user's mistake (one line, no traceback); 1 for a failure of ours; 130 when
interrupted. Nothing heavy is imported before a command needs it: `baco --help` answers at once.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from baco_core.errors import BacoError

DISK_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG")}
REPORT = "Please report this with what the same command prints with --debug."


def main(argv: Sequence[str] | None = None) -> int:
    """Run `baco` with these arguments and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        _discard_output()
        return 0
    except KeyboardInterrupt:
        return _fail("interrupted.", 130, "")
    except BacoError as error:
        _show_traceback(arguments)
        hint = f" {REPORT}" if error.exit_code == 1 else ""
        return _fail(f"{error}{hint}", error.exit_code)
    except Exception as error:
        _show_traceback(arguments)
        return _unexpected(error)
    return code


def _run(arguments: list[str]) -> int:
    from baco_core.cli.parser import parse

    _speak_utf8()
    options = parse(arguments)
    return options if isinstance(options, int) else int(options.run(options))


def _unexpected(error: Exception) -> int:
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        _discard_output()
        return _fail(f"cannot write the output: {error.strerror}.", 2)
    text = " ".join(str(error).split()).rstrip(".")
    return _fail(f"internal error: {type(error).__name__}: {text}. {REPORT}", 1)


def _speak_utf8() -> None:
    """Write texts as they are, whatever the system's locale says; a closed stdout takes them unseen."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  (open as long as the process)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _fail(message: str, code: int, kind: str = "error: ") -> int:
    print(f"baco: {kind}{message}", file=sys.stderr)
    return code


def _show_traceback(arguments: list[str]) -> None:
    if "--debug" in arguments:
        import traceback

        traceback.print_exc()


def _discard_output() -> None:
    """Let Python's own last flush of a closed stdout succeed."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
