"""What a backend implements: a model and its KV-cached token sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from baco_core.bundle import ModelFiles
from baco_core.rows import Rows


@runtime_checkable
class TokenSequence(Protocol):
    """One model's KV-cached token history.

    A context is read by `prefill`, what is written after it by `extend`. Rows depend on the tokens read,
    on which of them were the context, and on nothing else: not on how reading was cut into calls (up to
    the float differences the backend documents), nor on what was read and rewound. One sequence is
    used by one thread at a time; different sequences of one model may be used by different threads.
    """

    @property
    def length(self) -> int:
        """How many tokens have been read."""

    @property
    def forwards(self) -> int:
        """Forward passes this sequence has run, a chunk counting as one; a fork begins at 0."""

    def prefill(self, token_ids: Sequence[int]) -> Rows:
        """Read `token_ids` as a context, or as more of it, and return the last row, shape (1, vocab_size).

        As `extend(token_ids)`, which it may simply be. A backend whose kernels round one row unlike
        several may read a context many rows at a time, and single rows in `extend` (issue 3).
        """

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        """Read `token_ids` and return the last `rows` rows, shape (rows, vocab_size), float32.

        The caller owns the returned array. `rows` is from 0 to `len(token_ids)`. Long input is read
        in chunks, so that no more than a chunk's logits ever exist at once.
        Raises ContextError before any work when the tokens do not fit, ModelError for a token id
        outside the vocabulary, and ValueError for a senseless `rows` or no tokens at all.
        """

    def rewind(self, length: int) -> None:
        """Forget all but the first `length` tokens; ValueError when `length` is not in 0..length."""

    def fork(self, n: int) -> list[TokenSequence]:
        """Return `n` independent sequences that have read what this one has read."""


@runtime_checkable
class Releasing(Protocol):
    """What a model may have besides: memory that it can give back while nobody writes."""

    def release(self) -> None:
        """Let go of memory that no sequence needs."""


@runtime_checkable
class Model(Protocol):
    """An immutable set of weights that opens sequences."""

    @property
    def vocab_size(self) -> int:
        """Width of a row of logits. May exceed the tokenizer's size (padding); never below it."""

    @property
    def context_limit(self) -> int | None:
        """The most tokens one sequence can hold; None when the model has no limit."""

    @property
    def forwards(self) -> int:
        """Forward passes run so far by all sequences of this model, a chunk counting as one."""

    @property
    def exact(self) -> bool:
        """Whether rows are equal to the bit however reading is cut into calls and in whatever company.

        Schedules that read ahead or together need it to keep their promise (DESIGN 7).
        """

    @property
    def runtime_seconds(self) -> float:
        """Wall seconds spent inside the runtime so far; the rest of a decode is ours."""

    def open(self) -> TokenSequence:
        """Return an empty sequence."""

    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        """Extend several sequences of this model at once; item i is what `extend` would return."""


@runtime_checkable
class Backend(Protocol):
    """Opens models from files. Registered by `register_backends`, made from its options in YAML."""

    def load(self, files: ModelFiles) -> Model:
        """Load one model; equal files give the same object (two views cost one, and read together).

        Raises ModelError naming the file and tensor when the graph cannot be used.
        """
