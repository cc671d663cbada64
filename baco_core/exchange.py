"""How a model hears what the other one wrote: as token ids, or as text in its own tokens.

A transcript is the generated text in one model's own tokens. It is a pure function of who wrote
which tokens, never of when somebody looks: that is what lets every schedule give the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

Encode = Callable[[bytes], list[int]]
"""Turns text that goes on inside a sequence into token ids."""

BLOCK_BYTES = 256
"""Heard text is cut into blocks of at least so many bytes, so that only the last is ever encoded again."""


class Transcript(Protocol):
    """The generated text in one model's own tokens."""

    def wrote(self, token_id: int) -> None:
        """Add a token of the model's own."""

    def heard(self, token_id: int, data: bytes, *, begins_word: bool) -> None:
        """Add a token of the other model, which wrote `data`."""

    def tokens(self) -> list[int]:
        """Return the whole text in the model's own tokens; not to be changed by the caller."""

    def most_tokens(self) -> int:
        """Return a number that `len(tokens())` does not exceed, without encoding anything."""

    def copy(self) -> Transcript:
        """Return a transcript of its own that goes on from here: to ask what would be read."""


class SharedTokens:
    """Both models have one vocabulary: ids are exchanged and nothing is encoded again.

    The one exception is the first token where a context left a `lead` to it (see `Retokenised`):
    `The` from the aligned model is ` The` to the base model after `Answer:`, and the base model's
    ` The` is `The` to the aligned model, as in the text. `pieces` are those of the vocabulary.
    """

    def __init__(self, encode: Encode | None = None, lead: bytes = b"", pieces: Sequence[bytes] = ()) -> None:
        self._encode = encode
        self._lead = lead
        self._pieces = pieces
        self._tokens: list[int] = []
        self._begun = False

    def wrote(self, token_id: int) -> None:
        """Add a token of the model's own."""
        self._begun = True
        self._tokens.append(token_id)

    def heard(self, token_id: int, data: bytes, *, begins_word: bool) -> None:
        """Add a token of the other model."""
        self._tokens += [token_id] if self._begun else self._first(token_id, data)
        self._begun = True

    def _first(self, token_id: int, data: bytes) -> list[int]:
        """Return the first token heard, spelt anew where a lead makes it another one."""
        if self._encode is None or not self._pieces[token_id]:
            return [token_id]
        heard = self._lead + data
        return [token_id] if heard == self._pieces[token_id] else self._encode(heard)

    def tokens(self) -> list[int]:
        """Return all tokens."""
        return self._tokens

    def most_tokens(self) -> int:
        """Return the number of tokens."""
        return len(self._tokens)

    def copy(self) -> SharedTokens:
        """Return a transcript that goes on from here."""
        other = SharedTokens(self._encode, self._lead, self._pieces)
        other._tokens, other._begun = list(self._tokens), self._begun
        return other


class Retokenised:
    """The models have different vocabularies: text is exchanged.

    Settled tokens never change: the model's own ones, and heard text that is a block long or was
    followed by a token of the model's own. Text heard since then is open: it is encoded as a whole
    whenever somebody looks, so its tokens are those the model would have used.

    `lead` is what the model's context left to the first word (a space, see prompts.base_lead); it is
    heard before what is heard first, and is part of what the model writes when it writes first.
    """

    def __init__(self, encode: Encode, lead: bytes = b"") -> None:
        self._encode = encode
        self._lead = lead
        self._settled: list[int] = []
        self._open = bytearray()
        self._open_tokens: list[int] | None = []

    def wrote(self, token_id: int) -> None:
        """Settle what was heard and add a token of the model's own."""
        self._settle()
        self._settled.append(token_id)

    def heard(self, token_id: int, data: bytes, *, begins_word: bool) -> None:
        """Add text to the open block; a new word closes a block that is long enough."""
        if begins_word and len(self._open) >= BLOCK_BYTES:
            self._settle()
        if not self._settled and not self._open:
            self._open += self._lead
        self._open += data
        self._open_tokens = None

    def tokens(self) -> list[int]:
        """Return settled and open tokens; encodes at most one block."""
        return self._settled + self._encoded()

    def most_tokens(self) -> int:
        """Return settled tokens plus open bytes: no encoding has more tokens than bytes."""
        return len(self._settled) + len(self._open)

    def copy(self) -> Retokenised:
        """Return a transcript that goes on from here."""
        other = Retokenised(self._encode, self._lead)
        other._settled, other._open = list(self._settled), bytearray(self._open)
        other._open_tokens = self._open_tokens
        return other

    def _settle(self) -> None:
        self._settled += self._encoded()
        self._open.clear()
        self._open_tokens = []

    def _encoded(self) -> list[int]:
        if self._open_tokens is None:
            self._open_tokens = self._encode(bytes(self._open))
        return self._open_tokens
