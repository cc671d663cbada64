from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baco_core.errors import ConfigError, ModelError
from baco_core.noise import GumbelNoise
from baco_core.options import build, options_of
from baco_core.pick import Picker
from baco_core.rows import Logits
from baco_core.sampler import Sampler
from baco_core.testing.samplers import check_sampler
from baco_samplers import plugin
from baco_samplers.filters import keep_min_p, keep_top_k, keep_top_p, keep_typical
from baco_samplers.maker import make_filter
from baco_samplers.samplers import Greedy, Multinomial

ROW = np.log(np.array([0.05, 0.5, 0.15, 0.3])).astype(np.float32)
rows = arrays(np.float32, 30, elements=st.floats(-20, 20, width=32))


def left(sampler: Sampler, row: Logits = ROW, history: tuple[int, ...] = ()) -> list[int]:
    return np.flatnonzero(np.isfinite(sampler.filter(row, history))).tolist()


@pytest.mark.parametrize(
    "sampler",
    [
        Greedy(),
        Multinomial(),
        Multinomial(top_k=3),
        Multinomial(top_p=0.9),
        Multinomial(top_p=0.0),
        Multinomial(min_p=0.1),
        Multinomial(min_p=1.0),
        Multinomial(typical_p=0.9),
        Multinomial(typical_p=0.0),
        Multinomial(repetition_penalty=1.3, presence_penalty=0.5, frequency_penalty=0.2),
        Multinomial(repetition_penalty=100, presence_penalty=-100, frequency_penalty=100),
        Multinomial(logit_bias={0: 5.0}),
        Multinomial(logit_bias={1: -1e300}),
        Multinomial(0.0, 5, 0.9, 0.05, 0.95, 1.1, 0.1, 0.1, {0: -1.0, 1: 1e300}),
    ],
    ids=repr,
)
def test_samplers_pass_the_conformance_check(sampler: Sampler) -> None:
    check_sampler(sampler)


def test_a_banned_token_stays_out_and_one_row_conforms() -> None:
    assert left(Multinomial(logit_bias={1: -math.inf})) == [0, 2, 3]
    assert left(Multinomial(logit_bias={1: -math.inf}, top_k=1)) == [3]
    check_sampler(Multinomial(logit_bias={3: -math.inf, 4: -1.0}), vocab_sizes=[300, 5000])


@given(rows, st.lists(st.integers(0, 29), max_size=10))
def test_neutral_settings_return_the_row_unchanged(row: Logits, history: list[int]) -> None:
    for sampler in (Greedy(), Multinomial(), Multinomial(temperature=0.3), Multinomial(top_k=30)):
        filtered = sampler.filter(row, history)
        assert np.array_equal(filtered, row)
        assert filtered is not row


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({"top_k": 2}, [1, 3]),
        ({"top_p": 0.6}, [1, 3]),
        ({"min_p": 0.2}, [1, 2, 3]),
        ({"typical_p": 0.2}, [3]),
        ({"top_k": 3, "top_p": 0.75}, [1, 3]),  # .3/.95 and .5/.95 together .84; over all four only .8
        ({"top_k": 2, "top_p": 0.62}, [1]),  # .5/.8 = .625
        ({"top_p": 0.9, "min_p": 0.5}, [1, 3]),
        ({"typical_p": 0.2, "top_p": 0.01}, [3]),  # typical came first: the top token has gone
    ],
)
def test_filters_keep_what_they_should_in_their_order(options: dict[str, Any], ids: list[int]) -> None:
    assert left(Multinomial(**options)) == ids


def test_kept_logits_are_not_changed() -> None:
    filtered = Multinomial(top_k=2).filter(ROW, ())
    assert filtered.tolist() == [-math.inf, ROW[1], -math.inf, ROW[3]]


@given(rows, st.integers(1, 30), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_the_sampler_is_its_filters_one_after_the_other(
    row: Logits, k: int, typical: float, mass: float, fraction: float
) -> None:
    ids = np.arange(row.size)
    for keep, setting in (
        (keep_top_k, k),
        (keep_typical, typical),
        (keep_top_p, mass),
        (keep_min_p, fraction),
    ):
        ids = ids[keep(row[ids], setting)]  # type: ignore[arg-type]
    sampler = Multinomial(top_k=k, typical_p=typical, top_p=mass, min_p=fraction)
    assert left(sampler, row) == ids.tolist()


def test_a_made_filter_needs_no_filters_and_takes_any() -> None:
    assert np.array_equal(make_filter([])(ROW), ROW)
    even = make_filter([lambda logits: np.arange(0, logits.size, 2)])
    assert even(ROW).tolist() == [ROW[0], -math.inf, ROW[2], -math.inf]


def test_bias_comes_before_penalties_and_penalties_before_filters() -> None:
    row = np.array([1.0, 2.0, 3.0], np.float32)
    sampler = Multinomial(
        logit_bias={0: 9.0}, repetition_penalty=2.0, presence_penalty=1.0, frequency_penalty=0.25
    )
    # token 0 was written twice: (1 + 9) / 2 - 1 - 2 * 0.25; token 2 once: 3 / 2 - 1 - 0.25
    assert sampler.filter(row, [0, 2, 0]).tolist() == [3.5, 2.0, 0.25]
    assert left(Multinomial(top_k=1, repetition_penalty=2.0), row, (2,)) == [1]


def test_only_the_text_so_far_is_penalised() -> None:
    sampler = Multinomial(repetition_penalty=2.0, frequency_penalty=1.0)
    assert np.array_equal(sampler.filter(ROW, ()), ROW)
    changed = sampler.filter(ROW, (2,)) != ROW
    assert changed.tolist() == [False, False, True, False]


def test_a_bias_beyond_the_vocabulary_or_on_everything_is_refused() -> None:
    with pytest.raises(ConfigError, match="token id 4 is outside a vocabulary of 4"):
        Multinomial(logit_bias={4: 1.0}).filter(ROW, ())
    with pytest.raises(ConfigError, match="bans every token"):
        Multinomial(logit_bias=dict.fromkeys(range(4), -math.inf)).filter(ROW, ())


@pytest.mark.parametrize("bad", [[0.0, math.nan], [0.0, math.inf], [-math.inf, -math.inf]])
def test_a_row_that_is_no_distribution_is_refused(bad: list[float]) -> None:
    with pytest.raises(ModelError, match="no distribution"):
        Multinomial(top_p=0.9).filter(np.array(bad, np.float32), ())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1}, r"temperature: expected float >= 0\.0"),
        ({"temperature": math.nan}, "temperature: not a number"),
        ({"temperature": math.inf}, "temperature must be a number, finite and 0 or more, not inf"),
        ({"top_k": -1}, "top_k: expected int >= 0"),
        ({"top_k": 1.5}, "top_k: expected int"),
        ({"top_p": 1.1}, r"top_p: expected float <= 1\.0"),
        ({"min_p": -0.1}, r"min_p: expected float >= 0\.0"),
        ({"typical_p": "all"}, "typical_p: expected float, got 'all'"),
        ({"repetition_penalty": 0}, "repetition_penalty: expected float"),
        ({"presence_penalty": 1e9}, "presence_penalty: expected float"),
        ({"logit_bias": {5: math.inf}}, "logit_bias must map token ids to numbers"),
        ({"logit_bias": {-5: 1.0}}, "logit_bias must map token ids to numbers"),
        ({"logit_bias": [1, 2]}, "logit_bias: expected mapping"),
        ({"topk": 5}, r"unknown key 'topk'\. Did you mean 'top_k'\?"),
    ],
)
def test_wrong_options_are_refused_with_their_place(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(Multinomial, options, "sampler.options")


@pytest.mark.parametrize("name", ["temperature", "top_p", "repetition_penalty", "frequency_penalty"])
def test_samplers_made_in_python_are_checked_too(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Multinomial(**{name: math.nan})


def test_recipes_are_values() -> None:
    one, two = Multinomial(logit_bias={1: 2.0}), Multinomial(logit_bias={1: 2.0})
    assert one == two
    assert hash(one) == hash(two)
    assert one != Multinomial(logit_bias={1: 3.0})
    assert Greedy() == Greedy()


def test_the_plugin_names_both_samplers_and_every_option_is_described() -> None:
    samplers: dict[str, Any] = {}
    plugin.register_samplers(samplers.__setitem__)
    assert samplers == {"greedy": Greedy, "multinomial": Multinomial}
    assert options_of(Greedy) == {}
    for option in options_of(Multinomial).values():
        assert option.hint.__metadata__[0].description.endswith(".")
    built = build(Multinomial, {"temperature": 0, "logit_bias": {7: -math.inf}}, "sampler.options")
    assert built == Multinomial(temperature=0, logit_bias={7: -math.inf})


def test_greedy_picks_the_top_and_multinomial_draws_from_what_is_left() -> None:
    picks = [Picker(Greedy(), GumbelNoise(seed)).pick(ROW, (), 0) for seed in range(20)]
    assert set(picks) == {1}
    sampler = Multinomial(top_k=2)
    counts = np.bincount([Picker(sampler, GumbelNoise(0)).pick(ROW, (), t) for t in range(4000)], minlength=4)
    assert counts[[0, 2]].tolist() == [0, 0]
    assert counts[1] / 4000 == pytest.approx(0.5 / 0.8, abs=0.03)  # four standard deviations


def test_the_temperature_does_not_change_which_tokens_are_left() -> None:
    for temperature in (0.0, 0.5, 2.0):
        assert left(Multinomial(temperature=temperature, top_p=0.6)) == [1, 3]
