"""What answers tell of single tokens."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

from baco_core.events import TokenEvent
from baco_core.pair import Pair
from baco_core.source import Source

Likely = Sequence[tuple[int, float]]
LOWEST = -9999.0
"""Told instead of minus infinity, which JSON does not have; OpenAI does so too."""


class Names:
    """Names the tokens of a pair."""

    def __init__(self, pair: Pair, leads: Sequence[bytes] = ()) -> None:
        """Name tokens; of the base's first one the lead of each prompt is no part of the text."""
        self._members = pair.members
        self._leads = leads

    def name(self, source: Source, token_id: int, piece: bytes | None = None) -> str:
        """Return a token as text: what it writes, the name of a special one, else its bytes in hex."""
        tokenizer = self._members[source].tokenizer
        piece = tokenizer.vocabulary.pieces[token_id] if piece is None else piece
        if not piece:
            return tokenizer.token_name(token_id) or f"<{token_id}>"
        try:
            return piece.decode("utf-8")
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)

    def piece(self, event: TokenEvent, prompt: int) -> bytes:
        """Return what a written token added to the text of a prompt; nothing for a special one."""
        piece = self._members[event.source].tokenizer.vocabulary.pieces[event.token_id]
        first = event.position == 0 and event.source is Source.BASE and prompt < len(self._leads)
        return piece.removeprefix(self._leads[prompt]) if first else piece

    def prompt_piece(self, token_id: int) -> bytes:
        """Return what a token of a prompt stands for."""
        return self._members[Source.ALIGNED].tokenizer.vocabulary.pieces[token_id]

    def likely(self, source: Source, top: Likely) -> list[dict[str, Any]]:
        """Return likely tokens with their bytes, as chat answers list them."""
        return [self.entry(source, token_id, logprob) for token_id, logprob in top]

    def entry(
        self, source: Source, token_id: int, logprob: float, piece: bytes | None = None
    ) -> dict[str, Any]:
        """Return a token's name, logprob and bytes; a special token writes none."""
        piece = self._members[source].tokenizer.vocabulary.pieces[token_id] if piece is None else piece
        return {
            "token": self.name(source, token_id, piece),
            "logprob": finite(logprob),
            "bytes": list(piece) or None,
        }

    def trace(self, event: TokenEvent) -> dict[str, Any]:
        """Return what the router saw, None inside a word, and both models' likeliest tokens."""
        decision = event.decision
        found: dict[str, Any] = {
            "signal": None if decision is None else optional(decision.signal),
            "threshold": None if decision is None else optional(decision.threshold),
            "reason": None if decision is None else decision.reason,
        }
        for source, top in event.top:
            found[source.value] = [
                {"token": self.name(source, token_id), "logprob": finite(logprob)}
                for token_id, logprob in top[:5]
            ]
        return found


def likeliest(event: TokenEvent, count: int) -> Likely:
    """Return the likeliest tokens of the model that wrote."""
    return next((top for source, top in event.top if source is event.source), ())[:count]


def finite(number: float) -> float:
    """Return a logprob as JSON can hold it."""
    return max(float(number), LOWEST)


def optional(number: float | None) -> float | str | None:
    """Return a number as JSON can hold it: infinity as YAML writes it."""
    if number is None or number != number:
        return None
    return {float("inf"): ".inf", float("-inf"): "-.inf"}.get(number, float(number))


class Offsets:
    """Says at which character of a text each token begins; within a split one, at that character."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._length = 0

    def place(self, piece: bytes) -> int:
        """Return where the next token begins."""
        start = self._length
        self._length += len(self._decoder.decode(piece))
        return start
