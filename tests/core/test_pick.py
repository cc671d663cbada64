"""Picking: exact answers, and the same noise whatever the filter leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import PluginError
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker, log_softmax_at
from baco_core.rows import Logits
from baco_core.testing.fakes import PlainSampler


@dataclass(frozen=True)
class Keep:
    """Keeps the tokens it is told to."""

    kept: frozenset[int]
    temperature: float = 1.0

    def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
        row = np.full_like(logits, -np.inf)
        row[list(self.kept)] = logits[list(self.kept)]
        return row


def test_temperature_zero_takes_the_largest_and_of_equals_the_first() -> None:
    row = np.array([1.0, 3.0, 3.0, 2.0], np.float32)
    assert Picker(PlainSampler(0.0), GumbelNoise(5)).pick(row, (), 0) == 1


@given(
    st.lists(st.floats(-20, 20, width=32), min_size=8, max_size=200),
    st.sets(st.integers(0, 199), min_size=1),
    st.integers(0, 99),
    st.floats(0.1, 3.0),
)
def test_the_pick_is_the_formula_whatever_the_filter_leaves(
    logits: list[float], kept: set[int], position: int, temperature: float
) -> None:
    row = np.array(logits, np.float32)
    allowed = frozenset(token_id % row.size for token_id in kept)
    noise = GumbelNoise(9, 1)
    scores = Keep(allowed).filter(row, ()).astype(np.float64) / temperature + noise.row(position, row.size)
    picked = Picker(Keep(allowed, temperature), noise).pick(row, (), position)
    assert picked == int(np.argmax(scores))


def test_banned_tokens_are_never_picked_and_the_row_stays_as_it_was() -> None:
    row = np.array([0.0, 9.0, 1.0], np.float32)
    before = row.copy()
    assert Picker(PlainSampler(0.0), GumbelNoise(0)).pick(row, (), 0, banned=[1]) == 2
    assert np.array_equal(row, before)
    assert Picker(PlainSampler(0.0), GumbelNoise(0)).pick(row, (), 0, banned=[1, 2]) == 0


def test_a_sampler_that_answers_with_another_shape_is_refused() -> None:
    @dataclass(frozen=True)
    class Cuts:
        temperature: float = 1.0

        def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
            return logits[:2]

    with pytest.raises(PluginError, match="at position 5"):
        Picker(Cuts(), GumbelNoise(0)).pick(np.zeros(4, np.float32), (), 5)


def test_a_sampler_that_leaves_nothing_is_named_with_the_position() -> None:
    with pytest.raises(PluginError, match=r"Keep.* no token is left to pick at position 4"):
        Picker(Keep(frozenset({1})), GumbelNoise(0)).pick(np.zeros(3, np.float32), (), 4, banned=[1])


def test_log_probabilities_are_those_of_the_softmax() -> None:
    row = np.log(np.array([0.5, 0.3, 0.2], np.float32)) + 100
    assert np.allclose(np.exp(log_softmax_at(row, [2, 0])), [0.2, 0.5], atol=1e-5)
