"""Rows that are no distribution, temperatures that are nearly none, and what is remembered of a row."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from baco_core import rows
from baco_core.errors import ModelError
from baco_core.exchange import SharedTokens
from baco_core.lane import Lane, Prefix
from baco_core.model import TokenSequence
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.rows import Logits, Rows, entropy, largest, log_normaliser, top_probability, without
from baco_core.testing.fakes import FakeModel, FakeSequence, PlainSampler
from tests.core.worlds import read


class BrokenSequence(FakeSequence):
    """Answers with a row that holds one wrong value from the third token on."""

    wrong = float("nan")

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        found = super().extend(token_ids, rows)
        if self.length > 2:
            found[-1, 1] = self.wrong
        return found

    def fork(self, n: int) -> list[TokenSequence]:
        return [BrokenSequence(self.model, list(self.history)) for _ in range(n)]


class BrokenModel(FakeModel):
    """Opens them."""

    def open(self) -> FakeSequence:
        return BrokenSequence(self)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_row_that_is_no_distribution_names_the_model_whoever_looks_at_it(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BrokenSequence, "wrong", wrong)
    lane = Lane(Prefix(BrokenModel(1, 8), (1, 2), 4, "base"), SharedTokens())
    read(lane)
    lane.transcript.wrote(3)
    with pytest.raises(ModelError, match=f"base model: a row of logits is no distribution .*{wrong}"):
        read(lane)
    with pytest.raises(ModelError, match="base model"):
        read(Lane(Prefix(BrokenModel(1, 8), (1, 2, 3), 4, "base"), SharedTokens()))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [1e-300, 1e-310, 5e-324])
@pytest.mark.parametrize("kept", [2, 64])
def test_a_temperature_next_to_nothing_is_greedy(temperature: float, kept: int) -> None:
    row = np.full(64, -np.inf, np.float32)
    row[:kept] = np.linspace(3.0, 40.0, kept)
    assert Picker(PlainSampler(temperature), GumbelNoise(0)).pick(row, (), 0) == kept - 1


NUMBERS: list[Callable[[Logits], float]] = [largest, log_normaliser, top_probability, entropy]


def made_row(seed: int, size: int = 70_000) -> Logits:
    return np.random.default_rng(seed).normal(-8, 3, size).astype(np.float32)


def frozen(row: Logits) -> Logits:
    row = row.copy()
    row.setflags(write=False)
    return row


@pytest.mark.parametrize("order", [NUMBERS, NUMBERS[::-1]], ids=["forwards", "backwards"])
def test_numbers_of_a_row_are_the_same_whoever_asked_before(
    order: list[Callable[[Logits], float]],
) -> None:
    for seed in range(5):
        row = made_row(seed)
        shared = frozen(row)
        assert [number(shared) for number in order] == [number(row) for number in order]
        exact = row.astype(np.float64)
        assert log_normaliser(shared) == pytest.approx(np.log(np.exp(exact).sum()), abs=1e-6)


def test_a_row_that_may_change_is_looked_at_anew() -> None:
    row = made_row(0)
    before = [number(row) for number in NUMBERS]
    row[3] = 9.0
    after = [number(row) for number in NUMBERS]
    assert after == [number(frozen(row)) for number in NUMBERS]
    assert all(one != two for one, two in zip(before, after, strict=True))


def test_a_read_only_row_is_summed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    row = frozen(made_row(1))
    expected = [number(row) for number in NUMBERS]
    monkeypatch.setattr(rows, "_blocks", lambda *_: pytest.fail("the row was read again"))
    assert [number(row) for number in NUMBERS] == expected


def test_what_is_known_of_a_row_goes_with_it() -> None:
    gc.collect()
    known = len(rows._known)
    for seed in range(50):
        assert math.isfinite(entropy(frozen(made_row(seed, 300))))
    assert len(rows._known) == known


@pytest.mark.parametrize("number", NUMBERS)
def test_threads_that_share_a_row_find_the_same(number: Callable[[Logits], float]) -> None:
    threads, at_once = 4, threading.Barrier(4)

    def asked(row: Logits) -> float:
        at_once.wait()
        return number(row)

    with ThreadPoolExecutor(threads) as pool:
        for seed in range(100):
            row = made_row(seed, 50_000)
            found = set(pool.map(asked, [frozen(row)] * threads))
            assert found == {number(row)}


def test_a_view_of_a_row_is_a_row_of_its_own() -> None:
    several = np.stack([made_row(2, 500), made_row(3, 500)])
    several.setflags(write=False)
    assert [log_normaliser(several[index]) for index in (0, 1, 0)] == [
        log_normaliser(several[index].copy()) for index in (0, 1, 0)
    ]


@pytest.mark.parametrize("order", [NUMBERS, NUMBERS[::-1]], ids=["forwards", "backwards"])
@pytest.mark.parametrize("banned", [[3], [7, 7, 9], [0, 499]])
def test_a_row_without_some_tokens_is_that_of_the_others(
    order: list[Callable[[Logits], float]], banned: list[int]
) -> None:
    for seed in range(20):
        row = frozen(made_row(seed, 500))
        left = without(row, banned)
        assert not left.flags.writeable
        assert np.flatnonzero(np.isneginf(left)).tolist() == sorted(set(banned))
        direct = [number(left.copy()) for number in order]
        assert [number(left) for number in order] == pytest.approx(direct, rel=1e-6)
        again = without(frozen(row), banned)
        assert [number(again) for number in NUMBERS] == [number(left) for number in NUMBERS]


@pytest.mark.parametrize("heavy", [-1.0, 0.0, 5.0, 200.0])
def test_a_token_that_weighs_much_may_be_left_out_too(heavy: float) -> None:
    row = np.log(np.full(64, 1 / 64, np.float32))
    row[5] = heavy
    assert log_normaliser(without(frozen(row), [5])) == pytest.approx(math.log(63 / 64), abs=1e-6)
