"""Chat templates: what an aligned model reads, written by the Jinja template that came with it.

Templates see what transformers shows them: `messages`, `add_generation_prompt`, the special tokens by
name, `raise_exception`, `strftime_now`, `tojson`, loop controls and the tag `generation`. They come from
strangers, so they run in a sandbox that also bounds time and memory (`baco_core.sandbox`).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from baco_core.errors import PromptError

if TYPE_CHECKING:
    from jinja2 import Template

    from baco_core.sandbox import Sandbox

MAX_SOURCE = 200_000
"""Characters a template may have."""

MAX_SECONDS = 2.0
"""Processor time a rendering may take."""

SPARE_CHARACTERS = 1_000_000
COPIES = 4
"""A value may have as many characters as this many copies of all messages, and a million more."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A Jinja chat template and the special tokens it may name."""

    source: str
    special_tokens: Mapping[str, str] = field(default_factory=dict)

    def render(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        add_generation_prompt: bool = True,
        today: date | None = None,
    ) -> str:
        """Return the messages (mappings with role and content) as one text, ready for `encode_context`.

        `today` is what `strftime_now` tells; None is the clock's date, as in transformers.
        Raises PromptError for a template that cannot be read, that raises, or that wants more time or
        memory than it gets.
        """
        from baco_core.sandbox import limited

        size = sum(len(text) for message in messages for text in message.values())
        variables = {
            **self.special_tokens,
            "messages": [dict(message) for message in messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
            "strftime_now": _clock(today),
        }
        with limited(SPARE_CHARACTERS + COPIES * size, MAX_SECONDS):
            try:
                return _compiled(self.source).render(variables)
            except PromptError:
                raise
            except Exception as error:  # a template can raise anything
                raise _refused(error) from error


@lru_cache(maxsize=16)
def _compiled(source: str) -> Template:
    if len(source) > MAX_SOURCE:
        raise PromptError(f"chat template: it is longer than {MAX_SOURCE} characters.")
    return _sandbox().from_string(source)


@lru_cache(maxsize=1)
def _sandbox() -> Sandbox:
    from baco_core.sandbox import Sandbox

    return Sandbox()


def _clock(today: date | None) -> Callable[[str], str]:
    now = datetime.now() if today is None else datetime(today.year, today.month, today.day)

    def strftime_now(form: str) -> str:
        return now.strftime(form[:200])

    return strftime_now


def _refused(error: Exception) -> PromptError:
    """Return what the user is told, with the template's line where it is known."""
    from jinja2 import TemplateSyntaxError

    from baco_core.sandbox import LimitError, RaisedError

    line = error.lineno if isinstance(error, TemplateSyntaxError) else _line(error)
    place = f"chat template, line {line}" if line else "chat template"
    text = str(error).rstrip(".") or type(error).__name__
    if isinstance(error, RaisedError):
        return PromptError(f"{place}: it does not take these messages: {text}.")
    if isinstance(error, LimitError):
        return PromptError(f"{place}: {text}, so it was stopped; use another template.")
    if isinstance(error, TemplateSyntaxError):
        return PromptError(f"{place}: it cannot be read: {text}.")
    if isinstance(error, RecursionError):
        text = "it calls itself, or is nested, too deeply"
    return PromptError(f"{place}: it failed: {text}. Correct the template, or set prompts.aligned: plain.")


def _line(error: Exception) -> int | None:
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == "<template>"), None)
