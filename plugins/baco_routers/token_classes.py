"""Classes of tokens: function words, and punctuation with formatting.

The classes are data files in `classes/`, one entry a line, lines that begin with `# ` being comments.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol

from baco_core.errors import did_you_mean

_DATA = files("baco_routers") / "classes"
_NUMBER = re.compile(r"\d{1,3}[.)]?")
_NUMBER_MARK = re.compile(r"\d{1,3}[.)]")
_WORD_JOINERS = "'’_"
_FRAGMENTS = {b"\xe2\x80": "…".encode(), b"\xe3\x80": "、".encode()}
"""Fragments of characters that nearly always become punctuation (curly quotes, dashes; CJK marks)."""


class TokenClass(Protocol):
    """A class of tokens."""

    def starts(self, text: str) -> bool:
        """Say whether `text` ends where tokens of the second kind belong to the class."""

    def places(self, piece: bytes) -> tuple[bool, bool]:
        """Say whether what a token writes belongs always, and whether it does at a start."""


def belongs(token_class: TokenClass, piece: bytes, text: str) -> bool:
    """Say whether a token that writes `piece` belongs to the class after `text`."""
    always, at_start = token_class.places(piece)
    return always or (at_start and token_class.starts(text))


@dataclass(frozen=True, slots=True)
class Formatting:
    """Punctuation, line breaks, indentation, list marks and Markdown.

    A piece belongs if all its characters, blanks apart, are punctuation (`punctuation.txt`) or marks
    (`formatting.txt`), if it is a tag of that list or a number with a dot or parenthesis, or if it is
    blank with a line break, a tab or two spaces. A number of up to three digits also belongs at the
    start of a line, where it begins a list. Special tokens, the end token too, do not belong.
    """

    def starts(self, text: str) -> bool:
        """Say whether `text` ends with a line break, spaces apart."""
        return text.rstrip(" ").endswith("\n")

    def places(self, piece: bytes) -> tuple[bool, bool]:
        """Say whether a piece belongs always, and whether it does at the start of a line."""
        text = _decode(piece)
        core = text.strip()
        if not core:
            return len(text) > 1 or text in ("\n", "\t", "\r"), False
        always = _is_marks(core) or core in _tags() or _NUMBER_MARK.fullmatch(core) is not None
        return always, always or _NUMBER.fullmatch(core) is not None


@dataclass(frozen=True, slots=True)
class FunctionWords:
    """The function words of a language, upper or lower case, and further `words`.

    A piece belongs if it is a blank and a function word, or a clitic ('s, n't) as it stands. Without
    a blank it belongs where a word starts, not inside one: `in` of `Berlin` is no preposition.
    """

    language: str = "en"
    words: tuple[str, ...] = ()

    def starts(self, text: str) -> bool:
        """Say whether a word may start after `text`: it does not end with a letter or digit."""
        return not text or not (text[-1].isalnum() or text[-1] in _WORD_JOINERS)

    def places(self, piece: bytes) -> tuple[bool, bool]:
        """Say whether a piece belongs always, and whether it does where a word starts."""
        text = _decode(piece)
        core = _fold(text.strip())
        if core not in _function_words(self.language, self.words):
            return False, False
        return text[0].isspace() or "'" in core[:-1], True


@cache
def languages() -> tuple[str, ...]:
    """Return the languages that have a list of function words."""
    names = (entry.name.removesuffix(".txt") for entry in _DATA.iterdir())
    return tuple(sorted(name.removeprefix("words-") for name in names if name.startswith("words-")))


def require_language(language: str) -> None:
    """Raise ValueError, with the languages there are, unless `language` is one of them."""
    if language not in languages():
        known = did_you_mean(language, languages())
        raise ValueError(f"there is no list of function words for language {language!r}.{known}")


@cache
def _function_words(language: str, words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_fold, (*_entries(f"words-{language}.txt"), *words)))


@cache
def _categories() -> frozenset[str]:
    return frozenset(_entries("punctuation.txt"))


@cache
def _marks() -> frozenset[str]:
    return frozenset(entry for entry in _entries("formatting.txt") if len(entry) == 1)


@cache
def _tags() -> frozenset[str]:
    return frozenset(entry for entry in _entries("formatting.txt") if len(entry) > 1)


def _is_marks(core: str) -> bool:
    return all(
        unicodedata.category(character) in _categories() or character in _marks() or character.isspace()
        for character in core
    )


def _entries(name: str) -> Iterator[str]:
    """Yield the entries of a data file."""
    for line in (_DATA / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("# "):
            yield line


def _fold(word: str) -> str:
    return word.casefold().replace("’", "'")


def _decode(piece: bytes) -> str:
    """Return a piece as text; '' if it is no text of its own (part of a character)."""
    piece = _FRAGMENTS.get(piece.lstrip(), piece)
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return ""
