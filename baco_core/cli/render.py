"""Shows what was written: as text, coloured on a terminal, or as JSON."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, TextIO

import msgspec

from baco_core.config import Config, config_data
from baco_core.errors import ConfigError
from baco_core.events import Sample, TokenEvent
from baco_core.source import Source

STYLES = {Source.BASE: "\x1b[38;5;208;4m", Source.ALIGNED: "\x1b[38;5;33m"}
"""Orange and blue stay apart for every kind of colour blindness; base is underlined as well."""
RESET = "\x1b[0m"
USAGE = (
    "prompt_tokens",
    "completion_tokens",
    "base_tokens",
    "aligned_tokens",
    "base_forwards",
    "aligned_forwards",
)
"""What the JSON formats tell of a sample's usage; what was guessed ahead is for `baco bench`."""
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Renderer(AbstractContextManager["Renderer"], Protocol):
    """Shows token events and samples as they come."""

    def show(self, item: TokenEvent | Sample) -> None:
        """Show one item of the stream."""


def make_renderer(form: str, color: str, config: Config, out: TextIO, *, stream: bool = True) -> Renderer:
    """Return the renderer of a `--format` and `--color`; without `stream`, texts come as a whole."""
    if form == "json":
        return JsonRenderer(config, out)
    if form == "svg":
        return SvgRenderer(config, out)
    if form == "jsonl":
        return JsonLinesRenderer(out)
    return TextRenderer(out, config.decode.n, color=wants_color(color, out), stream=stream)


def wants_color(color: str, out: TextIO) -> bool:
    """Say whether to colour: on a terminal, unless NO_COLOR is set or `--color` says otherwise."""
    if color != "auto":
        return color == "always"
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class _Base(AbstractContextManager["Renderer"]):
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left."""


class TextRenderer(_Base):
    """Writes texts to `out`, and after each a line about it to stderr.

    Several texts are written at the same time, so only all of them together have a speed: a line at the end.
    """

    def __init__(self, out: TextIO, n: int, *, color: bool = False, stream: bool = True) -> None:
        self._out = out
        self._n = n
        self._color = color
        self._stream = stream
        self._waiting: list[str] = []
        self._last = "\n"
        self._tokens = 0
        self._started = time.perf_counter()

    def show(self, item: TokenEvent | Sample) -> None:
        """Write a token's text, or end a sample."""
        if isinstance(item, Sample):
            self._end(item)
            return
        if item.position == 0 and self._n > 1:
            self._write(f"--- {item.sample + 1} of {self._n} ---\n")
        self._write(self._styled(item) if self._color else item.text)
        self._last = item.text[-1:] or self._last

    def close(self) -> None:
        """Write what waits, and end a text with a line break."""
        if self._last != "\n":
            self._waiting.append("\n")
            self._last = "\n"
        self._out.write("".join(self._waiting))
        self._out.flush()
        self._waiting.clear()

    def _write(self, text: str) -> None:
        if not self._stream:
            self._waiting.append(text)
            return
        self._out.write(text)
        self._out.flush()

    def _styled(self, event: TokenEvent) -> str:
        style = STYLES[event.source]
        lines = _visible(event.text).split("\n")
        return "\n".join(f"{style}{line}{RESET}" if line else "" for line in lines)

    def _end(self, sample: Sample) -> None:
        self.close()
        self._tokens += sample.usage.completion_tokens
        print(self._summary(sample), file=sys.stderr)
        if self._n > 1 and sample.index + 1 == self._n:
            print(f"[{self._n} texts: {self._tokens} tokens; {self._speed()}]", file=sys.stderr)

    def _summary(self, sample: Sample) -> str:
        usage = sample.usage
        base = "base"
        if self._color and wants_color("auto", sys.stderr):
            base = f"{STYLES[Source.BASE]}base{RESET}"
        parts = [f"{base} wrote {usage.base_share:.0%} of {usage.completion_tokens} tokens"]
        parts += [self._speed()] if self._n == 1 else []
        return f"[{'; '.join([*parts, f'ended by {sample.finish_reason}'])}]"

    def _speed(self) -> str:
        seconds = time.perf_counter() - self._started
        return f"{self._tokens / max(seconds, 1e-9):.1f} tokens/s"


def _visible(text: str) -> str:
    """Show control characters instead of sending them: a model must not steer the terminal."""
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class JsonLinesRenderer(_Base):
    """Writes each sample as one line of JSON when it is finished."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, item: TokenEvent | Sample) -> None:
        """Write a sample; tokens are in it."""
        if isinstance(item, Sample):
            self._out.write(_json(sample_data(item)) + "\n")
            self._out.flush()


class JsonRenderer(_Base):
    """Writes one JSON object with the config and all samples; when cut off, those that were finished."""

    def __init__(self, config: Config, out: TextIO) -> None:
        self._config = config
        self._out = out
        self._samples: list[dict[str, Any]] = []

    def show(self, item: TokenEvent | Sample) -> None:
        """Keep a sample."""
        if isinstance(item, Sample):
            self._samples.append(sample_data(item))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the object; nothing at all when it failed before the first sample."""
        if kind is None or self._samples:
            data = {"config": _finite(config_data(self._config)), "samples": self._samples}
            self._out.write(_json(data) + "\n")


class SvgRenderer(_Base):
    """Draws one text, coloured by who wrote it."""

    def __init__(self, config: Config, out: TextIO) -> None:
        if config.decode.n != 1:
            raise ConfigError(f"--format svg draws one text, not {config.decode.n}; use -n 1.")
        self._out = out

    def show(self, item: TokenEvent | Sample) -> None:
        """Draw the sample."""
        from baco_core.picture import draw

        if isinstance(item, Sample):
            self._out.write(draw(item) + "\n")


def sample_data(sample: Sample) -> dict[str, Any]:
    """Return a sample as in the JSON formats."""
    return {
        "index": sample.index,
        "text": sample.text,
        "finish_reason": sample.finish_reason,
        "tokens": [
            {"id": event.token_id, "text": event.text, "source": event.source.value, "logprob": event.logprob}
            for event in sample.tokens
        ],
        "usage": {key: getattr(sample.usage, key) for key in USAGE},
    }


def _finite(value: Any) -> Any:
    """Write infinity as YAML does: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    return value


def _json(data: Any) -> str:
    return msgspec.json.encode(data).decode()
