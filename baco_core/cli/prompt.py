"""Reads the prompt from an argument, standard input or a file of messages."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.errors import ConfigError, PromptError

if TYPE_CHECKING:
    from baco_core.pipeline import Prompt

MAX_BYTES = 64_000_000


def read_prompt(options: Namespace) -> Prompt:
    """Return the prompt; PromptError when it is empty or not UTF-8, ConfigError for a wrong file."""
    if options.messages is not None:
        if options.prompt is not None:
            raise ConfigError("give either PROMPT or --messages, not both.")
        return read_messages(options.messages)
    text = _stdin() if options.prompt in (None, "-") else _argument(options.prompt)
    if not text.strip():
        raise PromptError("the prompt is empty; say what to write about.")
    return text


def _argument(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PromptError("the prompt is not valid UTF-8.") from None
    return text


def _stdin() -> str:
    if sys.stdin is None:  # closed by whoever started us
        raise PromptError("there is no prompt and standard input is closed; give a PROMPT.")
    if sys.stdin.isatty():
        print("baco: reading the prompt from standard input; end it with Ctrl-D.", file=sys.stderr)
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PromptError(f"standard input holds more than {MAX_BYTES} bytes.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(f"standard input is not valid UTF-8 (byte {error.start}).") from None
    return text.removesuffix("\n").removesuffix("\r")


def read_messages(path: Path) -> Prompt:
    """Return the conversation in a JSON file."""
    import msgspec

    from baco_core.prompts import Message

    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Message])
    except OSError as error:
        raise ConfigError(f"--messages: {path}: cannot read the file: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ConfigError(f"--messages: {path}: the file is not valid UTF-8.") from None
    except msgspec.DecodeError as error:
        text = str(error).replace("`", "")
        raise ConfigError(f"--messages: {path}: {text}. Write a JSON list of {{role, content}}.") from error
