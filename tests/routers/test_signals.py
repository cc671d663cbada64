from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baco_core.errors import ModelError
from baco_core.rows import Logits
from baco_routers.signals import entropy, top_probability
from tests.routers.made import row_of

rows = arrays(np.float32, st.integers(1, 50), elements=st.floats(-60, 60, width=32))


def test_signals_of_a_known_distribution() -> None:
    row = row_of([0.5, 0.25, 0.125, 0.125])
    assert top_probability(row) == pytest.approx(0.5, abs=1e-7)
    assert entropy(row) == pytest.approx(1.75 * math.log(2), abs=1e-6)


def test_a_certain_row_has_probability_one_and_no_entropy() -> None:
    row = row_of([0, 1, 0])
    assert top_probability(row) == 1.0
    assert entropy(row) == 0.0


@pytest.mark.parametrize("size", [1, 49_152, 262_144])
def test_a_flat_row_has_the_entropy_of_its_size(size: int) -> None:
    row = np.full(size, 7.5, np.float32)
    assert entropy(row) == pytest.approx(math.log(size), rel=1e-12)
    assert top_probability(row) == pytest.approx(1 / size, rel=1e-12)


@given(rows)
def test_signals_agree_with_the_plain_formulas(row: Logits) -> None:
    exact = [math.exp(float(logit) - float(row.max())) for logit in row]
    p = [weight / math.fsum(exact) for weight in exact]
    assert top_probability(row) == pytest.approx(max(p), rel=1e-6)
    assert entropy(row) == pytest.approx(-math.fsum(q * math.log(q) for q in p if q > 0), abs=2e-6)


@given(rows, st.sampled_from([-1e30, -1e4, 1e4, 1e30]))
def test_signals_stay_in_their_range_for_huge_logits(row: Logits, offset: float) -> None:
    shifted = row + np.float32(offset)
    assert 0 < top_probability(shifted) <= 1
    assert 0 <= entropy(shifted) <= math.log(row.size)


def test_rows_longer_than_a_block_are_read_whole() -> None:
    rng = np.random.default_rng(0)
    row = rng.normal(scale=2, size=150_001).astype(np.float32)
    p = np.exp(row.astype(np.float64) - np.log(np.exp(row.astype(np.float64)).sum()))
    assert top_probability(row) == pytest.approx(p.max(), rel=1e-6)
    assert entropy(row) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_no_distribution_is_refused(bad: float) -> None:
    row = np.array([0.0, bad, 1.0], np.float32)
    for signal in (top_probability, entropy):
        with pytest.raises(ModelError, match="no distribution"):
            signal(row)


def test_a_row_without_any_token_is_refused() -> None:
    with pytest.raises(ModelError, match="no distribution"):
        top_probability(np.full(3, -np.inf, np.float32))
