from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baco_core.router import Router
from baco_core.rows import Logits
from baco_core.source import Source
from baco_routers.constant import Aligned, Base
from baco_routers.logit import H, Nudging, P
from baco_routers.rand import Rand
from tests.routers.made import ALIGNED, BASE, decided, generation, point, row_of

HALF = row_of([0.5, 0.5])  # highest probability 1/2, entropy ln 2
rows = arrays(np.float32, 8, elements=st.floats(-30, 30, width=32))


def says(router: Router, row: Logits, position: int = 0) -> Source:
    return decided(router.start(generation()), point({BASE: row}, position=position)).source


@pytest.mark.parametrize(
    ("router", "source"),
    [
        (P(0.5), ALIGNED),  # not below
        (P(0.51), BASE),
        (H(math.log(2)), ALIGNED),  # not above
        (H(0.69), BASE),
        (Nudging(0.5), BASE),
        (Nudging(0.51), ALIGNED),
        (Base(), BASE),
        (Aligned(), ALIGNED),
    ],
)
def test_rules_at_and_beyond_their_threshold(router: Router, source: Source) -> None:
    assert says(router, HALF) is source


@given(rows)
def test_p_and_h_are_one_model_alone_at_their_end_points(row: Logits) -> None:
    assert [says(router, row) for router in (P(0), H(math.inf))] == [ALIGNED, ALIGNED]
    assert [says(router, row) for router in (P(1.01), P(math.inf), H(-1), H(-math.inf))] == [BASE] * 4
    assert [says(router, row) for router in (Nudging(0), Nudging(1.01))] == [BASE, ALIGNED]


def test_end_points_hold_for_a_certain_row() -> None:
    certain = row_of([0, 1, 0])
    assert [says(P(gamma), certain) for gamma in (0, 1, 1.01)] == [ALIGNED, ALIGNED, BASE]
    assert [says(H(gamma), certain) for gamma in (-1, 0)] == [BASE, ALIGNED]


@given(rows, st.floats(0, 1.2), st.floats(0, 1.2))
def test_a_larger_gamma_gives_more_base_in_p_and_less_in_h_and_nudging(
    row: Logits, one: float, two: float
) -> None:
    low, high = sorted((one, two))
    assert not (says(P(low), row) is BASE and says(P(high), row) is ALIGNED)
    assert not (says(H(low), row) is ALIGNED and says(H(high), row) is BASE)
    assert not (says(Nudging(low), row) is ALIGNED and says(Nudging(high), row) is BASE)


def test_nudging_is_p_turned_round() -> None:
    assert [says(rule, HALF) for rule in (P(0.6), Nudging(0.6))] == [BASE, ALIGNED]


def test_decisions_tell_signal_and_threshold() -> None:
    decision = decided(P(0.3).start(generation()), point({BASE: row_of([0.88, 0.12])}))
    assert (decision.source, decision.reason, decision.threshold) == (ALIGNED, "max p_base", 0.3)
    assert decision.signal == pytest.approx(0.88, abs=1e-6)
    decision = decided(H(2.5).start(generation()), point({BASE: HALF}))
    assert (decision.reason, decision.threshold) == ("entropy of p_base", 2.5)
    assert decision.signal == pytest.approx(math.log(2))


def test_only_logit_rules_ask_for_a_row() -> None:
    assert [router.needs for router in (P(), H(), Nudging())] == [frozenset({BASE})] * 3
    assert [router.needs for router in (Base(), Aligned(), Rand())] == [frozenset()] * 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: P(-0.1), "gamma must be 0 or more, not -0.1"),
        (lambda: P(math.nan), "gamma must be 0 or more, not nan"),
        (lambda: Nudging(-1), "gamma must be 0 or more"),
        (lambda: H(math.nan), "gamma must be a number, not nan"),
        (lambda: Rand(1.5), "gamma must be from 0 to 1, not 1.5"),
        (lambda: Rand(math.nan), "gamma must be from 0 to 1"),
    ],
)
def test_gammas_out_of_range_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


def test_rand_is_one_model_alone_at_its_end_points() -> None:
    assert {says(Rand(0), HALF, position) for position in range(200)} == {ALIGNED}
    assert {says(Rand(1), HALF, position) for position in range(200)} == {BASE}


def test_rand_gives_base_its_share() -> None:
    share = np.mean([says(Rand(0.3), HALF, position) is BASE for position in range(4000)])
    assert share == pytest.approx(0.3, abs=0.03)  # four standard deviations


def test_rand_draws_from_the_routers_stream_by_position() -> None:
    stream = generation(seed=7)
    decider = Rand(0.5).start(stream)
    for position in (3, 1, 3, 0):
        decision = decided(decider, point(position=position))
        assert decision.signal == stream.uniform.at(position)
        assert decision.source is (BASE if stream.uniform.at(position) < 0.5 else ALIGNED)
