"""Noise: the published vectors, order independence, and the right distribution."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.noise import COLUMNS, LANES, LEAST, MOST, SPAN, GumbelNoise, UniformStream

ONES = 2**64 - 1


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x64-10 as published (Salmon et al. 2011), in plain integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * 0xD2E7470EE14C6C93, c2 * 0xCA5A826395121157
        c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & ONES, (p0 >> 64) ^ c3 ^ k1, p0 & ONES
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & ONES, (k1 + 0xBB67AE8584CAA73B) & ONES
    return c0, c1, c2, c3


def word(seed: int, stream: int, position: int, sample: int, place: int) -> int:
    """The word at a place of a stream, whose first block of four is that of counter 1."""
    return philox((place // 4 + 1, position, sample, stream), (seed, 0))[place % 4]


def uniform(number: int) -> float:
    return ((number >> 12) + 0.5) / 2**52


def gumbel(seed: int, sample: int, position: int, token_id: int) -> float:
    """The definition, one token at a time."""
    span, place = divmod(token_id, SPAN)
    lane, column = divmod(place, COLUMNS)
    heat = span * COLUMNS + column
    first = word(seed, 0, position, sample, heat)
    time = -math.log(uniform(first)) / LANES
    if first % LANES != lane:
        time -= math.log(uniform(word(seed, 1, position, sample, heat * LANES + lane)))
    return -math.log(time)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B),
        ),
        (
            (ONES,) * 4,
            (ONES, ONES),
            (0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0),
        ),
        (
            (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89),
            (0x452821E638D01377, 0xBE5466CF34E90C6C),
            (0xA528F45403E61D95, 0x38C72DBD566E9788, 0xA5A1610E72FD18B5, 0x57BD43B5E52B7FE6),
        ),
    ],
)
def test_numpys_generator_gives_the_published_vectors(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert philox(counter, key) == expected
    before = (sum(part << 64 * index for index, part in enumerate(counter)) - 1) % 2**256
    generator = np.random.Philox(counter=before, key=key[0] + (key[1] << 64))
    assert tuple(generator.random_raw(4).tolist()) == expected


seeds, numbers = st.integers(0, ONES), st.integers(0, 2**40)


@given(seeds, numbers, numbers, st.lists(st.integers(0, 300_000), min_size=1, max_size=40))
def test_noise_is_what_it_is_defined_to_be(
    seed: int, sample: int, position: int, token_ids: list[int]
) -> None:
    noise = GumbelNoise(seed, sample).at(position, np.array(token_ids, np.int64))
    assert noise.tolist() == pytest.approx([gumbel(seed, sample, position, i) for i in token_ids], rel=1e-12)


@given(seeds, numbers, numbers, st.integers(0, 3))
def test_router_noise_is_what_it_is_defined_to_be(seed: int, sample: int, position: int, lane: int) -> None:
    expected = uniform(word(seed, 2, position, sample, lane))
    assert UniformStream(seed, sample).at(position, lane) == expected


@settings(max_examples=25)
@given(seeds, numbers, numbers, st.lists(st.integers(0, 40_000), min_size=1))
def test_a_few_tokens_have_the_noise_they_have_in_a_row_of_any_length(
    seed: int, sample: int, position: int, token_ids: list[int]
) -> None:
    noise = GumbelNoise(seed, sample)
    some, row = noise.at(position, np.array(token_ids, np.int64)), noise.row(position, 40_001)
    assert np.array_equal(some, row[token_ids])
    assert np.array_equal(row[: SPAN + 5], noise.row(position, SPAN + 5))


def test_noise_changes_with_seed_sample_position_and_token() -> None:
    rows = [
        GumbelNoise(0, 0).row(0, 64),
        GumbelNoise(1, 0).row(0, 64),
        GumbelNoise(2**32, 0).row(0, 64),
        GumbelNoise(0, 1).row(0, 64),
        GumbelNoise(0, 0).row(1, 64),
    ]
    assert len(set(np.concatenate(rows).tolist())) == 5 * 64


def test_noise_lies_between_its_bounds() -> None:
    """A word of zeros is the earliest time there is, one of ones the latest."""
    earliest, latest = -math.log(uniform(ONES)), -math.log(uniform(0))
    assert LEAST < -math.log(latest / LANES + latest) < -math.log(earliest / LANES) < MOST
    row = GumbelNoise(11).row(0, 100_000)
    assert row.min() > LEAST
    assert row.max() < MOST


def test_times_of_a_heat_are_independent_and_exponential() -> None:
    """Between the k-th and the next of n such times lie 1 / (n - k) on average, exponentially too."""
    times = np.exp(-GumbelNoise(4).row(9, 8 * SPAN)).reshape(8, LANES, COLUMNS)
    heats = np.sort(times.transpose(0, 2, 1).reshape(-1, LANES), axis=1)
    gaps = np.diff(heats, axis=1, prepend=0) * np.arange(LANES, 0, -1)
    error = 1 / math.sqrt(len(gaps))
    assert np.abs(gaps.mean(axis=0) - 1).max() < 4.5 * error
    assert np.abs(gaps.std(axis=0) - 1).max() < 4.5 * 2 * error
    assert np.abs(np.corrcoef(gaps.T) - np.eye(LANES)).max() < 5 * error
    firsts = np.bincount(times.argmin(axis=1).reshape(-1), minlength=LANES) / (8 * COLUMNS)
    assert np.abs(firsts - 1 / LANES).max() < 4.5 * math.sqrt(1 / LANES / (8 * COLUMNS))


def test_noise_has_the_quantiles_of_its_distribution() -> None:
    row = np.sort(GumbelNoise(8).row(2, 200_000))
    for share in (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999):
        found = math.exp(-math.exp(-row[int(share * row.size)]))
        assert found == pytest.approx(share, abs=4.5 * math.sqrt(share * (1 - share) / row.size))


def test_the_largest_noisy_logit_is_a_draw_from_the_softmax() -> None:
    logits = np.log(np.array([0.5, 0.25, 0.15, 0.1]))
    noise, ids = GumbelNoise(seed=3), np.array([0, 512, 3, 20_000])  # two of them in one heat
    draws = [int(np.argmax(logits + noise.at(position, ids))) for position in range(8000)]
    shares = np.bincount(draws, minlength=4) / len(draws)
    assert np.abs(shares - np.exp(logits)).max() < 0.02  # four standard errors


def test_the_router_stream_is_uniform_and_apart_from_the_tokens() -> None:
    stream = UniformStream(seed=3)
    values = np.array([stream.at(position, lane) for position in range(2000) for lane in range(4)])
    assert 0 < values.min() < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.015
    words = [word(3, kind, 0, 0, place) for kind in range(3) for place in range(64)]
    assert len(set(words)) == 3 * 64


def test_threads_do_not_disturb_each_other() -> None:
    def drawn(seed: int) -> list[float]:
        noise = GumbelNoise(seed)
        return [value for position in range(60) for value in noise.at(position, np.array([1, 9_000, 70_000]))]

    alone = [drawn(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(drawn, range(8))) == alone
