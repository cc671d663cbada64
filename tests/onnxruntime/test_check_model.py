"""The check for backend authors: it passes what keeps the contract and names the rule a bug breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from baco_core.errors import ContextError, ModelError
from baco_core.model import TokenSequence
from baco_core.rows import Rows
from baco_core.testing.fakes import FakeModel, FakeSequence
from baco_core.testing.models import check_model


@pytest.mark.parametrize("limit", [None, 4, 20, 5000])
def test_a_model_that_keeps_the_contract_passes(limit: int | None) -> None:
    check_model(FakeModel(1, 50, limit), tolerance=0)


@dataclass
class Buggy(FakeModel):
    """A fake whose sequences are of the class `opens`."""

    opens: type[FakeSequence] = FakeSequence

    def open(self) -> FakeSequence:
        return self.opens(self)


class ForgetsToRewind(FakeSequence):
    def rewind(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError("cannot rewind")


class RewindsToAnything(FakeSequence):
    def rewind(self, length: int) -> None:
        del self.history[max(0, length) :]


class SharesWithForks(FakeSequence):
    def fork(self, n: int) -> list[TokenSequence]:
        return [FakeSequence(self.model, self.history) for _ in range(n)]


class ForksEmpty(FakeSequence):
    def fork(self, n: int) -> list[TokenSequence]:
        return [FakeSequence(self.model) for _ in range(n)]


class CountsForks(FakeSequence):
    def fork(self, n: int) -> list[TokenSequence]:
        self.model.forwards += n
        return super().fork(n)


class ReadsInDouble(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        return super().extend(token_ids, rows).astype(np.float64)


class GivesAllRows(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        self._check(token_ids, rows)
        return super().extend(token_ids, len(token_ids))


class GivesReadOnlyRows(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        answer = super().extend(token_ids, rows)
        answer.setflags(write=False)
        return answer


@dataclass
class ReusesItsBuffer(FakeSequence):
    buffer: Rows | None = field(default=None)

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        answer = super().extend(token_ids, rows)
        if self.buffer is None:
            self.buffer = np.zeros((100, self.model.vocab_size), np.float32)
        self.buffer[:rows] = answer
        return self.buffer[:rows]


class DependsOnTheCut(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        answer = super().extend(token_ids, rows)
        return answer * np.float32(1.5) if len(token_ids) == 1 else answer


class LooksAtOneTokenOnly(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        super().extend(token_ids, rows)
        kept = list(token_ids)[len(token_ids) - rows :]
        return np.stack([self.model.row([token]) for token in kept] or [np.empty(0, np.float32)])[
            :rows
        ].reshape(rows, self.model.vocab_size)


class WorksBeforeItRefuses(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        self.model.forwards += 1
        return super().extend(token_ids, rows)


class ReadsBeforeItRefuses(FakeSequence):
    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        try:
            return super().extend(token_ids, rows)
        except ContextError:
            self.history += list(token_ids)
            raise


class TakesAnyToken(FakeSequence):
    def _check(self, token_ids: Sequence[int], rows: int) -> None:
        super()._check([token % self.model.vocab_size for token in token_ids], rows)


class TakesAnyLength(FakeSequence):
    def _check(self, token_ids: Sequence[int], rows: int) -> None:
        try:
            super()._check(token_ids, rows)
        except ContextError:
            return


class RefusesTheLastToken(FakeSequence):
    def _check(self, token_ids: Sequence[int], rows: int) -> None:
        super()._check(token_ids, rows)
        if self.length + len(token_ids) == self.model.context_limit:
            raise ContextError("full")


class RaisesTheWrongError(FakeSequence):
    def _check(self, token_ids: Sequence[int], rows: int) -> None:
        try:
            super()._check(token_ids, rows)
        except ModelError as error:
            raise KeyError(str(error)) from error


@pytest.mark.parametrize(
    ("bug", "rule"),
    [
        (ForgetsToRewind, r"length is 12|after rewind\(11\)"),
        (RewindsToAnything, r"rewind\(-1\) must raise ValueError"),
        (SharesWithForks, "a fork"),
        (ForksEmpty, "a fork has read what its parent has read"),
        (CountsForks, r"fork\(\) or rewind\(\) counted a forward pass"),
        (ReadsInDouble, "rows are float64, not float32"),
        (GivesAllRows, "gave shape"),
        (GivesReadOnlyRows, "the caller owns them"),
        (ReusesItsBuffer, "was changed by the next call"),
        (DependsOnTheCut, "tokens read in pieces of"),
        (LooksAtOneTokenOnly, "does not depend on the first token"),
        (WorksBeforeItRefuses, "refused only after a forward pass|counted"),
        (ReadsBeforeItRefuses, "changed the length of the sequence"),
        (TakesAnyToken, "must raise ModelError"),
        (TakesAnyLength, "one token too many must raise ContextError"),
        (RefusesTheLastToken, "full"),
        (RaisesTheWrongError, "must raise ModelError, not KeyError"),
    ],
)
def test_a_bug_is_named(bug: type[FakeSequence], rule: str) -> None:
    with pytest.raises((AssertionError, ContextError), match=rule):
        check_model(Buggy(1, 50, 20, opens=bug))


@dataclass
class MixesUpMany(FakeModel):
    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        return super().extend_many(sequences, token_ids, rows)[::-1]


def test_answers_in_the_wrong_order_are_named() -> None:
    with pytest.raises(AssertionError, match="extend_many, against extend"):
        check_model(MixesUpMany(1, 50))


def test_the_tolerance_is_relative_and_zero_means_to_the_bit() -> None:
    class Rounds(FakeSequence):
        def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
            answer = super().extend(token_ids, rows)
            return answer * np.float32(1 + 1e-6) if len(token_ids) == 1 else answer

    check_model(Buggy(1, 50, exact=False, opens=Rounds))
    for exact, tolerance in ((False, 0), (True, 1e-3)):
        with pytest.raises(AssertionError, match="allowed is 0"):
            check_model(Buggy(1, 50, exact=exact, opens=Rounds), tolerance=tolerance)


@pytest.mark.parametrize(
    ("bug", "rule"),
    [
        ({"exact": None}, "exact is None, not True or False"),
        ({"seconds_each": 3600.0}, "spent 3.6e\\+03 s inside the runtime"),
        ({"seconds_each": -1.0}, "spent -1 s inside the runtime"),
    ],
)
def test_what_a_model_tells_of_itself_is_checked(bug: dict[str, object], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_model(Boastful(1, 50, **bug))  # type: ignore[arg-type]


@dataclass
class Boastful(FakeModel):
    """Counts so many seconds for each sequence it opens."""

    seconds_each: float = 0.0

    def open(self) -> FakeSequence:
        self.runtime_seconds += self.seconds_each
        return super().open()
