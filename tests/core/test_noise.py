"""Noise: the published vectors, order independence, and the right distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.noise import GumbelNoise, UniformStream, philox4x32

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_test_vectors(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    assert tuple(int(word) for word in philox4x32(counter, key)) == expected


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**31),
    st.integers(0, 2**31),
    st.lists(st.integers(0, 999), min_size=1),
)
def test_a_few_tokens_have_the_noise_they_have_in_the_whole_row(
    seed: int, sample: int, position: int, token_ids: list[int]
) -> None:
    noise = GumbelNoise(seed, sample)
    some = noise.at(position, np.array(token_ids, np.int64))
    assert np.array_equal(some, noise.row(position, 1000)[token_ids])


def test_noise_changes_with_seed_sample_position_and_token() -> None:
    rows = [
        GumbelNoise(0, 0).row(0, 64),
        GumbelNoise(1, 0).row(0, 64),
        GumbelNoise(2**32, 0).row(0, 64),
        GumbelNoise(0, 1).row(0, 64),
        GumbelNoise(0, 0).row(1, 64),
    ]
    assert len(set(np.concatenate(rows).tolist())) == 5 * 64


def test_the_largest_noisy_logit_is_a_draw_from_the_softmax() -> None:
    logits = np.log(np.array([0.5, 0.25, 0.15, 0.1]))
    noise = GumbelNoise(seed=3)
    draws = [int(np.argmax(logits + noise.row(position, 4))) for position in range(8000)]
    shares = np.bincount(draws, minlength=4) / len(draws)
    assert np.abs(shares - np.exp(logits)).max() < 0.02  # four standard errors


def test_the_router_stream_is_uniform_and_apart_from_the_tokens() -> None:
    stream = UniformStream(seed=3)
    values = np.array([stream.at(position, lane) for position in range(2000) for lane in range(4)])
    assert 0 < values.min() < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.015
    first = np.exp(-np.exp(-GumbelNoise(seed=3).row(0, 4)))
    assert not np.isclose([stream.at(0, lane) for lane in range(4)], first).any()
