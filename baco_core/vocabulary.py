"""A vocabulary: what each token id writes, as bytes, and where words begin."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_JOINERS = frozenset("'’_")
"""Characters inside words although Unicode calls them punctuation: don't, l’eau, snake_case."""

_UNSPACED = (
    ("฀", "໿"),  # Thai, Lao
    ("က", "႟"),  # Myanmar
    ("ក", "៿"),  # Khmer
    ("぀", "ヿ"),  # Hiragana, Katakana
    ("㐀", "鿿"),  # Han
    ("豈", "﫿"),  # Han, compatibility
    ("\U00020000", "\U0003ffff"),  # Han, extensions
)
"""Scripts written without spaces: every character may begin a word."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The pieces of one tokenizer.

    `pieces[i]` is what token i appends to the text, as bytes (not always whole characters); special
    tokens and ids that no tokenizer names (padding) write nothing. `size` is the width of the model's
    row. Members whose vocabularies are the same (`same_vocabulary`) exchange token ids.
    """

    pieces: tuple[bytes, ...]
    special_ids: frozenset[int] = field(default_factory=frozenset)
    end_ids: frozenset[int] = field(default_factory=frozenset)

    @property
    def size(self) -> int:
        """Number of token ids."""
        return len(self.pieces)

    @cached_property
    def begins_word(self) -> NDArray[np.bool_]:
        """Which tokens begin a new word, shape (size,), bool: the decision points of DESIGN 3."""
        characters, where = np.unique(_first_characters(self.pieces), return_inverse=True)
        verdicts = np.fromiter(map(begins_word, _as_pieces(characters)), np.bool_, characters.size)
        mask = verdicts[where] & np.fromiter(map(bool, self.pieces), np.bool_, self.size)
        mask[list(self.special_ids | self.end_ids)] = True
        mask.setflags(write=False)
        return mask

    def opens_with(self, start: bytes) -> NDArray[np.bool_]:
        """Return which tokens write something that begins with `start`, shape (size,), bool."""
        return np.fromiter((piece.startswith(start) for piece in self.pieces), np.bool_, self.size)

    def bytes_of(self, token_ids: Iterable[int]) -> bytes:
        """Return what the tokens write, as bytes."""
        return b"".join(self.pieces[token_id] for token_id in token_ids)

    def text_of(self, token_ids: Iterable[int]) -> str:
        """Return what the tokens write; bytes that are not UTF-8 become U+FFFD."""
        return self.bytes_of(token_ids).decode("utf-8", errors="replace")


def same_vocabulary(first: Vocabulary, second: Vocabulary) -> bool:
    """Say whether two models may exchange token ids; `vocabulary_difference` gives the reason why not."""
    return vocabulary_difference(first, second) == ""


def vocabulary_difference(base: Vocabulary, aligned: Vocabulary) -> str:
    """Return why the members of a pair cannot exchange token ids, "" when they can.

    Rows must be equally wide, so that each can read whatever the other picks, and every id must write
    the same in both. Special tokens write nothing, whatever their names: an id reserved in the base
    may be a turn marker in the aligned model. The end ids of either are not compared, as nobody reads
    on after an end: under token exchange a text ends with an end id of either member.
    """
    if base.size != aligned.size:
        return f"their rows are {base.size} (base) and {aligned.size} (aligned) tokens wide"
    ends = base.end_ids | aligned.end_ids
    for token_id in range(base.size if base.pieces != aligned.pieces else 0):
        if base.pieces[token_id] != aligned.pieces[token_id] and token_id not in ends:
            pair = f"{_quoted(base, token_id)} (base) and {_quoted(aligned, token_id)} (aligned)"
            return f"token {token_id} writes {pair}"
    return ""


def _quoted(vocabulary: Vocabulary, token_id: int) -> str:
    piece = vocabulary.pieces[token_id]
    return repr(piece.decode("utf-8", errors="backslashreplace")) if piece else "nothing"


def begins_word(piece: bytes) -> bool:
    """Say whether a piece begins a new word: a space, line break, punctuation, symbol or unspaced script.

    A piece that begins with a fragment of a character is judged by the block its lead byte names:
    emoji begin a word, a continuation byte never does.
    """
    if not piece:
        return False
    character = _first_character(piece)
    if character in _JOINERS:
        return False
    unspaced = any(low <= character <= high for low, high in _UNSPACED)
    return unspaced or not unicodedata.category(character).startswith(("L", "M", "N"))


def _first_characters(pieces: tuple[bytes, ...]) -> NDArray[np.uint32]:
    """Return the bytes of each piece's first character as one number; 0 for an empty piece."""
    lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
    starts = np.cumsum(lengths) - lengths
    written = np.frombuffer(b"".join(pieces) + bytes(4), np.uint8)
    lead = written[starts]
    wanted = 1 + (lead >= 0xC0).astype(np.int64) + (lead >= 0xE0) + (lead >= 0xF0)
    there = np.minimum(wanted, lengths)
    heads = np.zeros(len(pieces), np.uint32)
    for place in range(4):
        byte = np.where(there > place, written[starts + place], 0)
        heads = (heads << np.uint32(8)) | byte.astype(np.uint32)
    return heads


def _as_pieces(characters: NDArray[np.uint32]) -> list[bytes]:
    """Undo `_first_characters`; what was cut short keeps no filling, NUL stays one byte."""
    return [int(number).to_bytes(4, "big").rstrip(b"\0") or b"\0" for number in characters]


def _first_character(piece: bytes) -> str:
    """Return the first character; of a fragment, the lowest its bytes can begin; 'a' for none."""
    lead = piece[0]
    length = 1 if lead < 0x80 else 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4
    if 0x80 <= lead < 0xC2 or lead > 0xF4:
        return "a"  # a continuation byte: inside a character, so inside a word
    return _complete(piece[:length], length).decode("utf-8", errors="replace")[0]


def _complete(fragment: bytes, length: int) -> bytes:
    """Fill a fragment of a character up to `length` with the lowest legal bytes."""
    lowest = {0xE0: b"\xa0", 0xF0: b"\x90"}.get(fragment[0], b"\x80")
    if len(fragment) < length and len(fragment) == 1:
        fragment += lowest
    return fragment + b"\x80" * (length - len(fragment))
