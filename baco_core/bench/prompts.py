"""The prompts that are written about when no file of prompts is given."""

from __future__ import annotations

from pathlib import Path

from baco_core.errors import ConfigError

PROMPTS = (
    "Tell me a story about a lighthouse.",
    "Write about a day at the market in the morning.",
    "Tell me a story about a dog that found a boat.",
    "Explain to a child where the rain comes from.",
    "Tell me a long story about a girl and a dragon.",
    "Describe a walk through an old town by the sea.",
    "Write a story about two friends who build a house.",
)
"""They ask for texts that are long enough to be timed."""
MAX_BYTES = 64_000_000


def read_prompts(path: Path | None) -> tuple[str, ...]:
    """Return the prompts of a file, one a line, or the built-in ones; ConfigError for a file without any."""
    if path is None:
        return PROMPTS
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--prompts: {path}: cannot read the file: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"--prompts: {path}: the file holds more than {MAX_BYTES} bytes.")
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"--prompts: {path}: the file is not valid UTF-8 (byte {error.start}).") from None
    prompts = tuple(line.strip() for line in lines if line.strip())
    if not prompts:
        raise ConfigError(f"--prompts: {path}: the file has no prompts; write one a line.")
    return prompts
