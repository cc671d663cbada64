"""Log lines on stderr, as JSON or as text. No line holds a prompt, a text or a key unless asked for.

Errors are told by type and place: the message of an exception may quote a prompt, so it is only shown
where it is one of BACo's own that cannot, or where `log_prompts` is on.
"""

from __future__ import annotations

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from baco_core.errors import BundleError, ConfigError, LookUpError, ModelError
from baco_server.config import ServerConfig

LOGGER = "baco.serve"
FIELDS = "fields"
"""What a record carries besides its message: `log.info("request", extra={"fields": {...}})`."""
SAID = (BundleError, ConfigError, LookUpError, ModelError)
FRAMES = 12


class Formatter(logging.Formatter):
    """Writes one line a record."""

    def __init__(self, config: ServerConfig) -> None:
        super().__init__()
        self._json = config.log_format == "json"
        self._messages = config.log_prompts

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": " ".join(record.getMessage().split()),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields |= self._error(record.exc_info[1])
        if self._json:
            return msgspec.json.encode(fields, enc_hook=str).decode()
        head = f"{fields.pop('time')} {fields.pop('level'):7} {fields.pop('event')}"
        return " ".join([head, *(f"{key}={_shown(value)}" for key, value in fields.items())])

    def _error(self, error: BaseException) -> dict[str, Any]:
        found: dict[str, Any] = {"error": type(error).__name__, "where": _frames(error)}
        if self._messages or isinstance(error, SAID):
            found["message"] = str(error)
        if error.__cause__ is not None:
            found["cause"] = type(error.__cause__).__name__
            found["cause_where"] = _frames(error.__cause__)
        return found


class Handler(logging.StreamHandler[TextIO]):
    """Writes to stderr. A line that cannot be written is counted, and nobody's request fails for it."""

    dropped = 0
    """Lines that could not be written, as on a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Count the line."""
        Handler.dropped += 1


def configure(config: ServerConfig, stream: TextIO | None = None) -> None:
    """Send the server's and uvicorn's log lines to stderr."""
    handler = Handler(stream or sys.stderr)
    handler.setFormatter(Formatter(config))
    for name in (LOGGER, "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(config.log_level.upper())
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLogger(LOGGER).level))
    logging.getLogger("uvicorn.access").disabled = True  # its lines hold queries; ours say more


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    return msgspec.json.encode(text).decode() if " " in text or not text.isprintable() else text
