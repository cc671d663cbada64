"""`check_sampler`: what every sampler must hold to, for plugin authors' tests."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from baco_core.rows import Logits
from baco_core.sampler import Sampler


def check_sampler(
    sampler: Sampler, *, vocab_sizes: Sequence[int] = (2, 7, 300, 5000), trials: int = 8, seed: int = 0
) -> None:
    """Check the contract of `baco_core.sampler` on made-up rows; AssertionError names the rule.

    It checks that the recipe is a value with a temperature from 0, and that `filter` returns a new
    float32 row of the same shape with a finite value left and none risen to +inf or NaN, the same each
    time, without writing to its input or drawing from global random numbers: for random, equal, huge,
    one-hot and tied rows, rows with -inf, and texts of any length.
    """
    _check_recipe(sampler)
    for size in vocab_sizes:
        rng = np.random.default_rng([seed, size])
        for row in make_rows(rng, size, trials):
            for length in (0, 1, 40):
                _check_filter(sampler, row, rng.integers(size, size=length).tolist())


def make_rows(rng: np.random.Generator, size: int, random_rows: int = 8) -> Iterator[Logits]:
    """Yield read-only rows of logits, shape (size,), float32, ordinary and extreme."""
    normal = [rng.normal(scale=scale, size=size) for scale in (0.1, 1.0, 3.0, 30.0)]
    one_hot = np.full(size, -np.inf)
    one_hot[size // 2] = 0.0
    largest = float(np.finfo(np.float32).max)
    huge = rng.choice([-largest, largest, 0.0], size=size)
    holes = np.where(np.arange(size) % 2, -np.inf, normal[2])
    tied = rng.integers(3, size=size).astype(float)
    special = [np.zeros(size), np.full(size, -1e30), one_hot, huge, np.full(size, largest), holes, tied]
    for row in (*special, *(normal[index % 4] for index in range(random_rows))):
        logits = row.astype(np.float32)
        logits.setflags(write=False)
        yield logits


def _check_recipe(sampler: Sampler) -> None:
    twin = copy.deepcopy(sampler)
    assert twin == sampler, "a sampler is a value: its copy must equal it (make it a frozen dataclass)"
    assert hash(twin) == hash(sampler), "a sampler is a value: its copy must have the same hash"
    temperature = sampler.temperature
    assert 0 <= temperature < math.inf, f"temperature must be a number from 0, not {temperature}"


def _check_filter(sampler: Sampler, row: Logits, history: Sequence[int]) -> None:
    before, told = row.copy(), tuple(history)
    state = _global_state()
    filtered = sampler.filter(row, history)
    assert _global_state() == state, "filter() must not draw from the global random numbers"
    assert np.array_equal(row, before), "filter() must not write to the row it is given"
    assert tuple(history) == told, "filter() must not change the history"
    assert isinstance(filtered, np.ndarray), "filter() must return an array"
    assert not np.shares_memory(filtered, row), "filter() must return a new row, not the one it is given"
    assert filtered.shape == row.shape, (
        f"filter() must keep the shape {row.shape}, not make it {filtered.shape}"
    )
    assert filtered.dtype == np.float32, f"filter() must return float32, not {filtered.dtype}"
    assert not np.isnan(filtered).any(), "filter() returned NaN"
    assert not np.isposinf(filtered).any(), "filter() returned +inf"
    assert np.isfinite(filtered).any(), "filter() left no token to pick"
    assert not np.isfinite(filtered[np.isneginf(row)]).any(), "filter() gave a banned token (-inf) a chance"
    again = sampler.filter(row, history)
    assert np.array_equal(filtered, again), "filter() must return the same row each time"


def _global_state() -> tuple[object, ...]:
    state: Any = np.random.get_state()
    return random.getstate(), state[1].tobytes(), *state[2:]
