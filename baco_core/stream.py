"""From what tokens write to text a reader can be shown: whole characters, up to a stop string.

Rule for stop strings: the text ends before the one that is complete first; of those that are complete
at the same character, before the longest. Text that may be the beginning of a stop string waits until
that is decided.
"""

from __future__ import annotations

import codecs
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache

from baco_core.errors import ConfigError


class TextStream:
    """Turns bytes into readable text as they come.

    However the bytes are cut, the texts joined are `data.decode("utf-8", errors="replace")` up to the
    first stop string. A character that is split over pieces comes with its last one.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        """Take the stop strings; ConfigError for an empty one, which would end every text at once."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._finder = _finder(tuple(stop))
        self._state = self._finder.root
        self._held = ""  # what may be the beginning of a stop string
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether a stop string has ended the text."""
        return self._stopped

    def push(self, data: bytes) -> str:
        """Take what a token wrote and return what has become readable; nothing once stopped."""
        return self._show(self._decoder.decode(data))

    def close(self) -> str:
        """End the text and return what was held back; an unfinished character becomes U+FFFD."""
        shown = self._show(self._decoder.decode(b"", final=True))
        shown, self._held = shown + self._held, ""
        self._state = self._finder.root
        return shown

    def _show(self, text: str) -> str:
        if self._stopped:
            return ""
        known = len(self._held)
        text = self._held + text
        for end in range(known, len(text)):
            self._state = self._finder.step(self._state, text[end])
            if self._state.found:
                self._stopped, self._held = True, ""
                return text[: end + 1 - self._state.found]
        cut = len(text) - self._state.depth
        self._held = text[cut:]
        return text[:cut]


class _State:
    """The longest end of the text that begins some string: `depth` characters, shared by the sorted
    strings from `low` to `high`. `shorter` is the next longest such end, `found` the length of the longest
    string that ends here (0 for none)."""

    __slots__ = ("depth", "found", "high", "low", "shorter", "steps")

    def __init__(self, low: int, high: int, depth: int, found: int, shorter: _State | None) -> None:
        self.low, self.high, self.depth, self.found, self.shorter = low, high, depth, found, shorter
        self.steps: dict[str, _State] = {}


class _Finder:
    """Finds strings in a text read character by character (Aho and Corasick, CACM 18(6), 1975).

    States are made when a text first leads to them, so 100,000 strings cost one sort. Two threads that
    make the same state do no harm: either copy serves.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = sorted(set(strings))
        self.root = _State(0, len(self._strings), 0, 0, None)

    def step(self, state: _State, character: str) -> _State:
        """Return the state after one more character."""
        known = state.steps.get(character)
        if known is not None:
            return known
        unknown: list[_State] = []
        at: _State | None = state
        while at is not None and character not in at.steps:
            unknown.append(at)
            at = at.shorter
        after = self.root if at is None else at.steps[character]
        for at in reversed(unknown):  # the shortest end first: a longer one falls back on its answer
            after = at.steps[character] = self._longer(at, character, after) or after
        return after

    def _longer(self, state: _State, character: str, shorter: _State) -> _State | None:
        """Return the state of the strings that go on with `character`; None when there are none."""
        depth = state.depth

        def following(string: str) -> str:
            return string[depth : depth + 1]

        low = bisect_left(self._strings, character, state.low, state.high, key=following)
        high = bisect_right(self._strings, character, low, state.high, key=following)
        if low == high:
            return None
        ends = len(self._strings[low]) == depth + 1
        return _State(low, high, depth + 1, depth + 1 if ends else shorter.found, shorter)


@lru_cache(maxsize=8)  # the samples of one prompt share their stop strings
def _finder(strings: tuple[str, ...]) -> _Finder:
    if "" in strings:
        raise ConfigError(
            f"decode.stop[{strings.index('')}]: an empty stop string ends every text; remove it."
        )
    return _Finder(strings)
