"""Picking: exact answers, and the same noise whatever the filter leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.errors import PluginError
from baco_core.noise import GumbelNoise, Heats, Ids, Numbers
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


def formula(filtered: Logits, temperature: float, noise: GumbelNoise, position: int) -> int:
    """The definition, over the whole row."""
    with np.errstate(over="ignore"):
        scores = (filtered.astype(np.float64) - float(filtered.max())) / temperature
    return int(np.argmax(scores + noise.row(position, filtered.size)))


@dataclass(frozen=True, slots=True)
class CoarseNoise(GumbelNoise):
    """Noise in big steps, so that many tokens share a score."""

    def heats(self, position: int, heats: Ids) -> Heats:
        fine = super(CoarseNoise, self).heats(position, heats)
        return replace(fine, times=np.ceil(fine.times * 40) / 40)

    def others(self, position: int, heats: Ids) -> Numbers:
        return np.ceil(super(CoarseNoise, self).others(position, heats))


SIZES = st.sampled_from([1, 2, 31, 512, 513, 2048, 16_384, 16_385, 33_000])
TEMPERATURES = st.one_of(
    st.floats(0.05, 5.0), st.sampled_from([5e-324, 1e-300, 1e-6, 0.01, 50.0, 1e6, 1e300, 1.7e308])
)


def made_rows(kind: str, size: int, rng: np.random.Generator) -> Logits:
    """Rows that bounds and rounding may stumble over."""
    row = rng.normal(scale=3, size=size).astype(np.float32)
    if kind == "flat":
        row[:] = 1.5
    elif kind == "near":  # neighbours in float32
        row = np.nextafter(np.full(size, 20, np.float32), (rng.random(size) < 0.5) * np.float32(40))
    elif kind == "peaked":
        row[rng.integers(size)] += 40
    elif kind == "few":
        row[rng.random(size) < 0.99] = -np.inf
        row[rng.integers(size)] = 0
    elif kind == "tied":
        row = np.round(row)
    elif kind == "huge":
        row *= np.float32(1e37)
    return row


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["normal", "flat", "near", "peaked", "few", "tied", "huge"]),
    SIZES,
    TEMPERATURES,
    st.integers(0, 2**32),
    st.booleans(),
)
def test_the_pick_is_the_formula_to_the_bit(
    kind: str, size: int, temperature: float, seed: int, coarse: bool
) -> None:
    noise = (CoarseNoise if coarse else GumbelNoise)(seed, 3)
    row = made_rows(kind, size, np.random.default_rng(seed))
    for position in range(3):
        picked = Picker(PlainSampler(temperature), noise).pick(row, (), position)
        assert picked == formula(row, temperature, noise, position)


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
    picked = Picker(Keep(allowed, temperature), noise).pick(row, (), position)
    assert picked == formula(Keep(allowed).filter(row, ()), temperature, noise, position)


def test_picks_are_draws_from_the_tempered_softmax() -> None:
    row = np.log(np.array([0.4, 0.3, 0.2, 0.1], np.float32))
    picker = Picker(PlainSampler(0.5), GumbelNoise(1))
    shares = np.bincount([picker.pick(row, (), position) for position in range(6000)], minlength=4) / 6000
    expected = np.array([16, 9, 4, 1]) / 30
    assert np.abs(shares - expected).max() < 0.025  # four standard errors


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_filtered_row_without_a_largest_value_is_refused(wrong: float, temperature: float) -> None:
    @dataclass(frozen=True)
    class Spoils:
        temperature: float

        def filter(self, logits: Logits, history: Sequence[int]) -> Logits:
            return np.full_like(logits, wrong)

    with pytest.raises(PluginError, match=r"Spoils.* at position 2"):
        Picker(Spoils(temperature), GumbelNoise(0)).pick(np.zeros(9, np.float32), (), 2)


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
