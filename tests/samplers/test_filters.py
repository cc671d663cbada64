"""Exact answers for hand-made probabilities, and properties of every filter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baco_core.rows import Logits
from baco_samplers.filters import Ids, keep_min_p, keep_top_k, keep_top_p, keep_typical

FILTERS: dict[str, tuple[Callable[[Logits, float], Ids], float]] = {
    "top_p": (keep_top_p, 1.0),
    "typical": (keep_typical, 1.0),
    "min_p": (keep_min_p, 0.0),
}
rows = arrays(
    np.float32,
    st.integers(1, 40),
    elements=st.one_of(st.floats(-30, 30, width=32), st.sampled_from([0.0, 1.0, -math.inf])),
).filter(lambda row: np.isfinite(row.max()))
shares = st.floats(0, 1)


def row_of(*probabilities: float) -> Logits:
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(probabilities)).astype(np.float32)


def kept(ids: Ids) -> list[int]:
    assert (np.diff(ids) > 0).all()
    return ids.tolist()


@pytest.mark.parametrize(
    ("k", "ids"),
    [(1, [3]), (2, [1, 3]), (3, [0, 1, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3]), (0, [0, 1, 2, 3])],
)
def test_top_k_keeps_the_k_most_probable(k: int, ids: list[int]) -> None:
    assert kept(keep_top_k(row_of(0.2, 0.3, 0.1, 0.4), k)) == ids


def test_top_k_keeps_exactly_k_and_the_lowest_ids_of_a_tie() -> None:
    tied = row_of(0.2, 0.1, 0.2, 0.2, 0.3)
    assert [kept(keep_top_k(tied, k)) for k in (1, 2, 3, 4)] == [[4], [0, 4], [0, 2, 4], [0, 2, 3, 4]]
    assert kept(keep_top_k(np.zeros(6, np.float32), 3)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("mass", "ids"),
    [
        (0.0, [1]),
        (0.3, [1]),
        (0.45, [1]),
        (0.6, [1, 3]),
        (0.79, [1, 3]),
        (0.81, [1, 2, 3]),
        (0.96, [0, 1, 2, 3]),
        (1.0, [0, 1, 2, 3]),
    ],
)
def test_top_p_keeps_the_fewest_that_hold_the_mass(mass: float, ids: list[int]) -> None:
    assert kept(keep_top_p(row_of(0.05, 0.5, 0.15, 0.3), mass)) == ids


def test_top_p_takes_the_lowest_ids_of_a_tie() -> None:
    assert kept(keep_top_p(row_of(0.25, 0.25, 0.25, 0.25), 0.6)) == [0, 1, 2]
    assert kept(keep_top_p(row_of(0.1, 0.2, 0.2, 0.2, 0.3), 0.65)) == [1, 2, 4]


@pytest.mark.parametrize(
    ("fraction", "ids"),
    [(0.0, [0, 1, 2, 3]), (0.09, [0, 1, 2, 3]), (0.11, [1, 2, 3]), (0.31, [1, 3]), (0.61, [1]), (1.0, [1])],
)
def test_min_p_keeps_what_reaches_a_fraction_of_the_largest(fraction: float, ids: list[int]) -> None:
    assert kept(keep_min_p(row_of(0.05, 0.5, 0.15, 0.3), fraction)) == ids


def test_min_p_of_one_keeps_all_that_share_the_top() -> None:
    assert kept(keep_min_p(row_of(0.4, 0.2, 0.4), 1.0)) == [0, 2]


def test_typical_keeps_what_is_nearest_the_entropy() -> None:
    # H = 0.5 ln 2 + 0.5 ln 8 = 1.386; surprise 0.693 at distance 0.693, and 2.079 at distance 0.693 four
    # times in a tie; with 0.4 and six 0.1: H = 1.748, distances 0.832 and 0.555, so the top goes first out
    flat_tail = row_of(0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert kept(keep_typical(flat_tail, 0.05)) == [1]
    assert kept(keep_typical(flat_tail, 0.25)) == [1, 2, 3]
    assert kept(keep_typical(flat_tail, 0.55)) == [1, 2, 3, 4, 5, 6]
    assert kept(keep_typical(flat_tail, 0.65)) == [0, 1, 2, 3, 4, 5, 6]


def test_typical_of_a_nearly_certain_row_keeps_the_top() -> None:
    assert kept(keep_typical(row_of(0.01, 0.97, 0.01, 0.01), 0.5)) == [1]


@given(rows, st.integers(0, 50))
def test_top_k_agrees_with_sorting(row: Logits, k: int) -> None:
    order = np.argsort(-row.astype(np.float64), kind="stable")
    assert kept(keep_top_k(row, k)) == sorted(order[: k or row.size].tolist())


def prefix(keys: Sequence[float], p: Sequence[float], mass: float) -> list[int]:
    """The definition: tokens in order, ties by id, until their probabilities sum to the mass."""
    held, result = 0.0, []
    for index in sorted(range(len(keys)), key=lambda i: (keys[i], i)):
        result.append(index)
        held += p[index]
        if held >= mass:
            break
    return sorted(result)


def distribution(row: Logits) -> list[float]:
    weights = [math.exp(float(logit) - float(row.max())) for logit in row]
    return [weight / math.fsum(weights) for weight in weights]


def near_a_step(keys: Sequence[float], p: Sequence[float], mass: float) -> bool:
    """Say whether rounding may decide: the mass is met exactly by a prefix."""
    order = sorted(range(len(keys)), key=lambda i: (keys[i], i))
    return any(abs(held - mass) < 1e-5 for held in np.cumsum([p[index] for index in order]))


@given(rows, st.floats(0, 0.999))
def test_top_p_agrees_with_its_definition(row: Logits, mass: float) -> None:
    p = distribution(row)
    keys = [-float(logit) for logit in row]
    if not near_a_step(keys, p, mass):
        assert kept(keep_top_p(row, mass)) == prefix(keys, p, mass)


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(-12, 12, width=32)), st.floats(0, 0.999))
def test_typical_agrees_with_its_definition(row: Logits, mass: float) -> None:
    p = distribution(row)
    entropy = -math.fsum(q * math.log(q) for q in p)
    keys = [round(abs(-math.log(q) - entropy), 5) for q in p]
    close = sorted(set(keys))
    if not near_a_step(keys, p, mass) and all(b - a > 2e-5 for a, b in pairwise(close)):
        expected = prefix(keys, p, mass)
        found = kept(keep_typical(row, mass))
        assert len(found) == len(expected)
        assert sorted(keys[i] for i in found) == sorted(keys[i] for i in expected)


@given(rows, shares)
def test_min_p_agrees_with_its_definition(row: Logits, fraction: float) -> None:
    p = distribution(row)
    clear = [i for i, q in enumerate(p) if abs(q - fraction * max(p)) > 1e-6 * q]
    found = set(kept(keep_min_p(row, fraction)))
    if fraction > 0:
        assert [i in found for i in clear] == [p[i] >= fraction * max(p) for i in clear]


@pytest.mark.parametrize("name", FILTERS)
@given(row=rows, one=shares, two=shares)
def test_a_stricter_setting_keeps_a_subset(name: str, row: Logits, one: float, two: float) -> None:
    keep, neutral = FILTERS[name]
    loose, strict = sorted((one, two), key=lambda setting: abs(setting - neutral))
    assert set(kept(keep(row, strict))) <= set(kept(keep(row, loose)))


@pytest.mark.parametrize("name", FILTERS)
@given(row=rows, setting=shares)
def test_something_is_always_left_and_the_neutral_setting_keeps_everything(
    name: str, row: Logits, setting: float
) -> None:
    keep, neutral = FILTERS[name]
    assert np.isfinite(row[keep(row, setting)]).any()
    assert kept(keep(row, neutral)) == list(range(row.size))


@given(rows, shares, st.integers(1, 40))
def test_the_top_token_stays_in_every_filter_but_typical(row: Logits, share: float, k: int) -> None:
    top = int(row.argmax())
    assert top in kept(keep_top_k(row, k))
    assert top in kept(keep_top_p(row, share))
    assert top in kept(keep_min_p(row, share))


@pytest.mark.parametrize("size", [777, 49_152, 262_144])
@pytest.mark.parametrize("scale", [0.01, 1.0, 4.0])
def test_large_rows_agree_with_sorting_them_whole(size: int, scale: float) -> None:
    row = np.random.default_rng(size).normal(scale=scale, size=size).astype(np.float32)
    row[::5] = row[0]  # a tie of a fifth of all tokens
    shifted = row.astype(np.float64) - float(row.max())
    log_p = shifted - np.log(np.exp(shifted).sum())
    p = np.exp(log_p)
    for keys, keep in ((-log_p, keep_top_p), (np.abs(log_p - (p * log_p).sum()), keep_typical)):
        order = np.argsort(keys, kind="stable")
        for mass in (0.1, 0.5, 0.9, 0.99):
            expected = np.sort(order[: np.searchsorted(np.cumsum(p[order]), mass) + 1])
            assert np.array_equal(keep(row, mass), expected)
    order = np.argsort(-row, kind="stable")
    for k in (1, 50, 700, 5_000):
        assert kept(keep_top_k(row, k)) == sorted(order[:k].tolist())
