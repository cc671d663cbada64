"""Models, tokenizers, samplers and routers without weights, exact and deterministic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from baco_core.errors import ContextError, ModelError
from baco_core.model import TokenSequence
from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.rows import Logits, Rows
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary

WORDS = (
    " the",
    " then",
    " a",
    " cat",
    " ca",
    "t",
    " sat",
    "s",
    "ed",
    " light",
    "house",
    " ho",
    "use",
    "é",
    " 🙂",
)
END = b""


def fake_vocabulary(words: Sequence[str] = WORDS) -> Vocabulary:
    """Return a vocabulary of all 256 bytes, then `words`, then one end token that writes nothing."""
    pieces = (*(bytes([value]) for value in range(256)), *(word.encode() for word in words), END)
    end_id = len(pieces) - 1
    return Vocabulary(pieces, special_ids=frozenset({end_id}), end_ids=frozenset({end_id}))


@dataclass(frozen=True)
class FakeTokenizer:
    """Longest match from the left: like a real tokenizer, more text can change the last tokens."""

    vocabulary: Vocabulary

    def encode_text(self, data: bytes) -> list[int]:
        """Return token ids that write exactly `data`."""
        ids = {piece: token_id for token_id, piece in enumerate(self.vocabulary.pieces) if piece}
        longest = max(map(len, ids))
        tokens: list[int] = []
        start = 0
        while start < len(data):
            size = next(n for n in range(longest, 0, -1) if data[start : start + n] in ids)
            tokens.append(ids[data[start : start + size]])
            start += len(self.vocabulary.pieces[tokens[-1]])
        return tokens


@dataclass
class FakeModel:
    """Rows are a hash of the whole history: one missed or doubled token changes all that follows.

    `favour` lists token ids whose logits are raised by `lift`, to steer what gets picked.
    """

    seed: int
    vocab_size: int
    context_limit: int | None = None
    favour: Sequence[int] = ()
    lift: float = 6.0
    forwards: int = 0
    tokens_read: int = 0
    exact: bool = True
    runtime_seconds: float = 0.0

    def open(self) -> FakeSequence:
        """Return an empty sequence."""
        return FakeSequence(self)

    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        """Extend one after the other."""
        return [
            sequence.extend(ids, count)
            for sequence, ids, count in zip(sequences, token_ids, rows, strict=True)
        ]

    def row(self, history: Sequence[int]) -> Logits:
        """Return the row after `history`, the formula everything is checked against."""
        rng = np.random.default_rng([self.seed, *(token_id + 1 for token_id in history)])
        row = rng.normal(scale=2.0, size=self.vocab_size).astype(np.float32)
        row[list(self.favour)] += np.float32(self.lift)
        return row


@dataclass
class FakeSequence:
    """The history of one FakeModel."""

    model: FakeModel
    history: list[int] = field(default_factory=list)
    forwards: int = 0

    @property
    def length(self) -> int:
        """How many tokens have been read."""
        return len(self.history)

    def prefill(self, token_ids: Sequence[int]) -> Rows:
        """Read a context and return the row after it."""
        return self.extend(token_ids)

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        """Read tokens and return the last `rows` rows."""
        self._check(token_ids, rows)
        self.history += token_ids
        self.forwards += 1
        self.model.forwards += 1
        self.model.tokens_read += len(token_ids)
        first = self.length - rows
        kept = [self.model.row(self.history[: first + index + 1]) for index in range(rows)]
        return np.stack(kept) if kept else np.empty((0, self.model.vocab_size), np.float32)

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot rewind {self.length} tokens to {length}")
        del self.history[length:]

    def fork(self, n: int) -> list[TokenSequence]:
        """Return `n` independent copies."""
        return [FakeSequence(self.model, list(self.history)) for _ in range(n)]

    def _check(self, token_ids: Sequence[int], rows: int) -> None:
        if not token_ids or not 0 <= rows <= len(token_ids):
            raise ValueError(f"cannot return {rows} rows of {len(token_ids)} tokens")
        if not all(0 <= token_id < self.model.vocab_size for token_id in token_ids):
            raise ModelError(f"fake model: a token id is outside 0..{self.model.vocab_size - 1}.")
        limit = self.model.context_limit
        if limit is not None and self.length + len(token_ids) > limit:
            raise ContextError(
                f"fake model: {self.length + len(token_ids)} tokens exceed its context of {limit}."
            )


@dataclass(frozen=True, slots=True)
class PlainSampler:
    """Filters nothing."""

    temperature: float = 1.0

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        """Return the row as it is."""
        return logits.copy()


@dataclass(frozen=True, slots=True)
class ScriptedRouter:
    """Says who speaks by position, whatever it sees; after its script it starts again."""

    script: tuple[Source, ...]
    needs: frozenset[Source] = frozenset()

    def start(self, generation: Generation) -> Decider:
        """Return a decider that reads the script."""
        return _Scripted(self.script)


@dataclass(frozen=True, slots=True)
class _Scripted:
    script: tuple[Source, ...]

    def decide(self, point: DecisionPoint) -> Decision:
        return Decision(self.script[point.position % len(self.script)], "script")
