"""What is guessed to come next in a text, so that models may read it before it is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from baco_core.source import Source
from baco_core.vocabulary import Vocabulary

SHORTEST, LONGEST = 2, 16


@dataclass(slots=True)
class Draft:
    """Tokens that `author` would write next, in its own ids; wrong guesses cost time, never text.

    `limit` is how far it is worth guessing: it grows when a whole draft came true and shrinks when
    little of it did. `drafted` and `accepted` count tokens guessed and tokens that came true.
    """

    author: Source | None = None
    token_ids: list[int] = field(default_factory=list)
    closed: bool = False
    """Whether nothing more is to be guessed: an end token, or an author who is not sure."""
    limit: int = 4
    drafted: int = 0
    accepted: int = 0
    _true: int = 0

    def by(self, author: Source) -> Draft:
        """Return the draft, begun anew if somebody else wrote it."""
        if self.author is not author:
            self._drop()
            self.author = author
        return self

    def guess(self, token_id: int) -> None:
        """Add a token."""
        self.token_ids.append(token_id)
        self.drafted += 1

    def wrote(self, source: Source, token_id: int, *, shared: bool) -> None:
        """Take note of what was really written; a token of the other model counts if ids are shared."""
        if not self.token_ids:
            return
        if self.token_ids[0] == token_id and (shared or source is self.author):
            del self.token_ids[0]
            self.accepted += 1
            self._true += 1
        else:
            self._drop()
        if not self.token_ids:
            self._settle()

    def whole_words(self, vocabulary: Vocabulary) -> Sequence[int]:
        """Return the tokens before the last word, which may not be complete."""
        begins = vocabulary.begins_word
        last = next((i for i in reversed(range(len(self.token_ids))) if begins[self.token_ids[i]]), 0)
        return self.token_ids[:last]

    def _drop(self) -> None:
        if self.token_ids and 2 * self._true < self.limit:
            self.limit = max(SHORTEST, self.limit - 1)
        self.token_ids.clear()
        self._true, self.closed = 0, False

    def _settle(self) -> None:
        if self._true >= self.limit:
            self.limit = min(LONGEST, self.limit + 1)
        self._true, self.closed = 0, False
