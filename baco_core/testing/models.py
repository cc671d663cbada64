"""What every backend's models must do: `check_model` tries it on one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from baco_core.errors import ContextError, ModelError
from baco_core.model import Model, TokenSequence
from baco_core.rows import Rows

LENGTH = 12
"""Tokens the checks read; a model with a shorter context is read as far as it goes."""

MAX_FILLED_CONTEXT = 256
"""A context up to this size is read to its last token, a longer one only refused."""


def check_model(model: Model, *, tolerance: float = 1e-3) -> None:
    """Check that `model` keeps the contract of baco_core.model; AssertionError says which rule it broke.

    `tolerance` is the largest difference allowed between rows that must be equal, relative to the
    largest logit; 0 asks for equality to the bit, which is what exact schedules need. A model that says it
    is `exact` is held to the bit whatever the tolerance.
    """
    assert isinstance(model.exact, bool), f"exact is {model.exact!r}, not True or False"
    tolerance = 0.0 if model.exact else tolerance
    limit = model.context_limit
    assert model.vocab_size >= 1, f"vocab_size is {model.vocab_size}"
    assert limit is None or limit >= 4, f"context_limit is {limit}; these checks need 4 tokens"
    checks = _Checks(model, _tokens(model, LENGTH if limit is None else min(LENGTH, limit)), tolerance)
    for check in (
        checks.sequences_start_empty,
        checks.rows_are_as_asked,
        checks.rows_belong_to_the_caller,
        checks.rows_follow_the_tokens,
        checks.rows_ignore_how_reading_was_cut,
        checks.contexts_ignore_how_reading_was_cut,
        checks.rewind_forgets,
        checks.forks_are_independent,
        checks.sequences_are_independent,
        checks.many_equal_one_by_one,
        checks.company_changes_no_row,
        checks.senseless_calls_are_refused,
        checks.foreign_tokens_are_refused,
        checks.a_full_context_is_refused,
        checks.forwards_are_counted,
        checks.seconds_are_counted,
    ):
        check()


def _tokens(model: Model, count: int) -> list[int]:
    """Return different tokens from all over the vocabulary, as far as it has that many."""
    step = max(1, model.vocab_size // count)
    return [(index * step + index) % model.vocab_size for index in range(count)]


@dataclass
class _Checks:
    model: Model
    tokens: list[int]
    tolerance: float

    def read(self, tokens: Sequence[int]) -> Rows:
        """Return all rows of `tokens`, read at once by a sequence of its own."""
        return self.model.open().extend(tokens, len(tokens))

    def same(self, got: Rows, wanted: Rows, rule: str) -> None:
        assert got.shape == wanted.shape, f"{rule}: shape {got.shape}, not {wanted.shape}"
        difference = float(np.max(np.abs(got - wanted), initial=0.0))
        allowed = self.tolerance * float(np.max(np.abs(wanted), initial=0.0))
        assert difference <= allowed, f"{rule}: rows differ by {difference:.3g}, allowed is {allowed:.3g}"

    def sequences_start_empty(self) -> None:
        sequence = self.model.open()
        assert isinstance(sequence, TokenSequence), f"open() gave {type(sequence).__name__}, no TokenSequence"
        assert sequence.length == 0, f"an opened sequence has length {sequence.length}, not 0"

    def rows_are_as_asked(self) -> None:
        for count in {0, 1, len(self.tokens)}:
            sequence = self.model.open()
            rows = sequence.extend(self.tokens, count)
            shape = (count, self.model.vocab_size)
            assert rows.shape == shape, f"extend(..., rows={count}) gave shape {rows.shape}, not {shape}"
            assert rows.dtype == np.float32, f"rows are {rows.dtype}, not float32"
            assert np.isfinite(rows).all(), "rows hold NaN or infinity"
            assert sequence.length == len(self.tokens), (
                f"length is {sequence.length} after {len(self.tokens)} tokens"
            )

    def rows_belong_to_the_caller(self) -> None:
        sequence = self.model.open()
        head, rest = self.tokens[:2], self.tokens[2:]
        rows = sequence.extend(head, len(head))
        kept = rows.copy()
        rest_rows = sequence.extend(rest, len(rest))
        assert np.array_equal(rows, kept), "an array that extend returned was changed by the next call"
        assert rows.flags.writeable, "rows cannot be written to, but the caller owns them"
        rows.fill(0)
        rest_rows.fill(0)
        self.same(self.read(self.tokens)[:2], kept, "writing into returned rows changes later ones")

    def rows_follow_the_tokens(self) -> None:
        if self.model.vocab_size == 1:
            return
        other = [(self.tokens[0] + 1) % self.model.vocab_size, *self.tokens[1:]]
        assert not np.array_equal(self.read(other)[-1], self.read(self.tokens)[-1]), (
            "the last row does not depend on the first token"
        )

    def rows_ignore_how_reading_was_cut(self) -> None:
        wanted = self.read(self.tokens)
        for sizes in ([1] * len(self.tokens), [1, 2, 3], [len(self.tokens) - 1], [2, 1]):
            got = np.concatenate(_read_in_pieces(self.model.open(), self.tokens, sizes))
            self.same(got, wanted, f"tokens read in pieces of {sizes}, against all at once")
        last = self.model.open().extend(self.tokens, 2)
        self.same(last, wanted[-2:], "the last two rows, against all rows")

    def contexts_ignore_how_reading_was_cut(self) -> None:
        """Against each other; against rows of `extend` they may differ by what kernels round."""
        wanted = self.model.open().prefill(self.tokens)
        assert wanted.shape == (1, self.model.vocab_size), f"prefill gave shape {wanted.shape}"
        rough = np.max(np.abs(wanted)) * max(self.tolerance, 0.05)
        last = self.read(self.tokens)[-1:]
        assert np.allclose(wanted, last, atol=rough, rtol=0), "prefill, against extend of the same tokens"
        for size in range(1, len(self.tokens)):
            sequence = self.model.open()
            for at in range(0, len(self.tokens), size):
                row = sequence.prefill(self.tokens[at : at + size])
            assert sequence.length == len(self.tokens), f"length is {sequence.length} after prefill"
            self.same(row, wanted, f"a context read in pieces of {size}, against all at once")

    def rewind_forgets(self) -> None:
        wanted = self.read(self.tokens)
        sequence = self.model.open()
        sequence.extend(self.tokens)
        for kept in (len(self.tokens), len(self.tokens) - 1, 2, 1, 0):
            sequence.rewind(kept)
            assert sequence.length == kept, f"length is {sequence.length} after rewind({kept})"
            if kept < len(self.tokens):
                sequence.extend(self.tokens[kept:][::-1])
                sequence.rewind(kept)
                rest = sequence.extend(self.tokens[kept:], len(self.tokens) - kept)
                self.same(rest, wanted[kept:], f"rows after rewind({kept}), against a fresh sequence")

    def forks_are_independent(self) -> None:
        head, rest = self.tokens[:2], self.tokens[2:]
        parent = self.model.open()
        parent.extend(head)
        first, second = parent.fork(2)
        assert parent.fork(0) == [], "fork(0) must give an empty list"
        assert (first.length, second.length) == (2, 2), "a fork has read what its parent has read"
        backwards = first.extend(rest[::-1], len(rest))
        second.rewind(1)
        self.same(second.extend(head[1:]), self.read(head)[1:], "a fork that was rewound")
        self.same(parent.extend(rest, len(rest)), self.read(self.tokens)[2:], "a parent after its forks read")
        self.same(backwards, self.read([*head, *rest[::-1]])[2:], "a fork, against a fresh sequence")
        assert (first.length, second.length) == (len(self.tokens), 2), "a fork moved with its parent"

    def sequences_are_independent(self) -> None:
        wanted = self.read(self.tokens)
        one, other = self.model.open(), self.model.open()
        for index, token in enumerate(self.tokens):
            got = one.extend([token])
            other.extend([self.tokens[-1 - index]])
            self.same(got, wanted[index : index + 1], "two sequences read in turns")

    def many_equal_one_by_one(self) -> None:
        pieces = [self.tokens, self.tokens[:1], self.tokens[1:3]]
        counts = [len(self.tokens), 1, 0]
        sequences: list[TokenSequence] = [self.model.open() for _ in pieces]
        answers = self.model.extend_many(sequences, pieces, counts)
        assert self.model.extend_many([], [], []) == [], "extend_many of nothing must give an empty list"
        assert len(answers) == len(pieces), f"extend_many gave {len(answers)} answers to {len(pieces)} calls"
        for sequence, piece, count, got in zip(sequences, pieces, counts, answers, strict=True):
            assert sequence.length == len(piece), "extend_many left a sequence at the wrong length"
            self.same(got, self.model.open().extend(piece, count), "extend_many, against extend")

    def company_changes_no_row(self) -> None:
        """Sequences of unlike lengths that read, wait, rewind and fork beside each other."""
        wanted = self.read(self.tokens)
        one = self.model.open()
        others: list[TokenSequence] = [self.model.open() for _ in range(4)]
        for index in range(len(self.tokens)):
            read = [(one, self.tokens[index : index + 1], 1)]
            for turn, other in enumerate(others):
                piece = self.tokens[other.length : other.length + index % (turn + 2)]
                read += [(other, piece, len(piece))] if piece else []
            answers = self.model.extend_many(
                [called[0] for called in read], [called[1] for called in read], [called[2] for called in read]
            )
            for (called, piece, count), got in zip(read, answers, strict=True):
                start = called.length - len(piece)
                self.same(got, wanted[start : start + count], f"{count} rows beside {len(read) - 1} others")
            others[index % 4].rewind(others[index % 4].length // 2)
            others[(index + 1) % 4] = others[index % 4].fork(1)[0]

    def senseless_calls_are_refused(self) -> None:
        sequence = self.model.open()
        sequence.extend(self.tokens[:3])
        for what, call in (
            ("extend of no tokens", lambda: sequence.extend([], 0)),
            ("extend for more rows than tokens", lambda: sequence.extend(self.tokens[:1], 2)),
            ("extend for -1 rows", lambda: sequence.extend(self.tokens[:1], -1)),
            ("rewind(-1)", lambda: sequence.rewind(-1)),
            ("rewind beyond the end", lambda: sequence.rewind(4)),
        ):
            self.refused(sequence, what, ValueError, call)

    def foreign_tokens_are_refused(self) -> None:
        sequence = self.model.open()
        sequence.extend(self.tokens[:3])
        for token in (-1, self.model.vocab_size):
            what = f"token id {token} of a vocabulary of {self.model.vocab_size}"
            self.refused(sequence, what, ModelError, partial(sequence.extend, [token]))

    def a_full_context_is_refused(self) -> None:
        limit = self.model.context_limit
        if limit is None:
            return
        sequence = self.model.open()
        sequence.extend(self.tokens[:3])
        too_many = _tokens(self.model, limit - 2)
        self.refused(sequence, "one token too many", ContextError, lambda: sequence.extend(too_many))
        if limit <= MAX_FILLED_CONTEXT:
            self.a_context_can_be_filled(limit)

    def a_context_can_be_filled(self, limit: int) -> None:
        tokens = _tokens(self.model, limit)
        wanted = self.read(tokens)[-1:]
        for size in (1, 2):
            sequence = self.model.open()
            sequence.extend(tokens[:-size])
            self.same(sequence.extend(tokens[-size:]), wanted, f"the last {size} tokens a context holds")
            self.refused(sequence, "a full context", ContextError, partial(sequence.extend, tokens[:1]))

    def forwards_are_counted(self) -> None:
        before = self.model.forwards
        sequence = self.model.open()
        assert self.model.forwards == before, "open() counted a forward pass"
        sequence.extend(self.tokens)
        passes = self.model.forwards - before
        assert 1 <= passes <= len(self.tokens), f"{len(self.tokens)} tokens counted {passes} forward passes"
        assert sequence.forwards == passes, f"the sequence counted {sequence.forwards} of {passes} passes"
        before = self.model.forwards
        forks = sequence.fork(3)
        sequence.rewind(1)
        assert self.model.forwards == before, "fork() or rewind() counted a forward pass"
        forks[0].rewind(1)
        forks[0].extend(self.tokens[:2])
        counts = [fork.forwards for fork in forks]
        assert counts == [self.model.forwards - before, 0, 0], f"forks counted {counts} passes of their own"
        assert sequence.forwards == passes, "a sequence counted the passes of its fork"

    def seconds_are_counted(self) -> None:
        before = self.model.runtime_seconds
        began = time.perf_counter()
        self.read(self.tokens)
        spent = self.model.runtime_seconds - before
        took = time.perf_counter() - began
        assert 0 <= spent <= took, f"a call of {took:.3g} s spent {spent:.3g} s inside the runtime"

    def refused(
        self, sequence: TokenSequence, what: str, error: type[Exception], call: Callable[[], object]
    ) -> None:
        """Check that `call` raises `error` before any work, and leaves the sequence as it was."""
        length, forwards = sequence.length, self.model.forwards
        try:
            call()
        except error as raised:
            lines = str(raised).splitlines()
            assert len(lines) == 1, f"{what}: the message must be one line, not {lines}"
        except Exception as raised:
            raise AssertionError(f"{what} must raise {error.__name__}, not {raised!r}") from raised
        else:
            raise AssertionError(f"{what} must raise {error.__name__}")
        assert sequence.length == length, f"{what} was refused, but changed the length of the sequence"
        assert self.model.forwards == forwards, f"{what} was refused only after a forward pass"


def _read_in_pieces(sequence: TokenSequence, tokens: Sequence[int], sizes: Sequence[int]) -> list[Rows]:
    """Read `tokens` in pieces of `sizes`, then what is left; return all rows."""
    pieces, start = [], 0
    for size in [*sizes, len(tokens)]:
        piece = tokens[start : start + size]
        if piece:
            pieces.append(sequence.extend(piece, len(piece)))
        start += size
    return pieces
