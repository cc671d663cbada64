from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.guard import GuardedRouter
from baco_core.router import Decider, Decision, DecisionPoint, Generation, Router, StatefulDecider
from baco_core.source import Source
from baco_core.testing.routers import check_router, make_trial
from baco_routers.chain import Chain, HFc, HPunc, PFc, PPunc
from baco_routers.constant import Aligned, Base
from baco_routers.content import Fc, Punc
from baco_routers.judge import Judge
from baco_routers.logit import H, P
from tests.routers.made import ALIGNED, BASE, decided, generation, point, row_for, row_of, vocabulary_of

WORDS = vocabulary_of(" cat", ",", " the", "\n")
seeds = st.integers(0, 1000)


@dataclass
class Counter:
    """Has an opinion every third time it is asked."""

    asked: int = 0

    def decide(self, at: DecisionPoint) -> Decision | None:
        self.asked += 1
        return Decision(ALIGNED, f"asked {self.asked} times") if self.asked % 3 == 0 else None

    def snapshot(self) -> int:
        return self.asked

    def restore(self, snapshot: object) -> None:
        assert isinstance(snapshot, int)
        self.asked = snapshot


@dataclass(frozen=True, slots=True)
class EveryThird:
    needs: frozenset[Source] = frozenset()

    def start(self, at: Generation) -> Decider:
        return Counter()


def answers(router: Router, seed: int) -> list[Source]:
    trial = make_trial(frozenset(Source), 16, seed)
    decider = router.start(trial.generation)
    return [decided(decider, at).source for at in trial.points]


def test_the_content_rule_comes_first_and_the_logit_rule_decides_the_rest() -> None:
    decider = PPunc(gamma=0.9).start(generation(WORDS))
    comma, unsure, sure = (
        row_of([0.1, 0.8, 0.05, 0.05]),
        row_of([0.4, 0.2, 0.2, 0.2]),
        row_of([0.97, 0.01, 0.01, 0.01]),
    )
    told = [decided(decider, point({BASE: row})) for row in (comma, unsure, sure)]
    assert [decision.source for decision in told] == [ALIGNED, BASE, ALIGNED]
    assert [decision.reason for decision in told] == [
        'top-1 "," is punctuation or formatting',
        "max p_base",
        "max p_base",
    ]


@pytest.mark.parametrize(
    ("combined", "content", "logit"),
    [
        (PPunc(0.4), Punc(), P(0.4)),
        (HPunc(1.0), Punc(), H(1.0)),
        (PFc(0.4), Fc(), P(0.4)),
        (HFc(1.0), Fc(), H(1.0)),
    ],
)
@given(seed=seeds)
def test_combined_routers_follow_their_definition(
    combined: Router, content: Router, logit: Router, seed: int
) -> None:
    first, second = answers(content, seed), answers(logit, seed)
    expected = [one if one is ALIGNED else two for one, two in zip(first, second, strict=True)]
    assert answers(combined, seed) == expected


@given(seed=seeds, gamma=st.floats(0, 1.2))
def test_with_an_empty_class_a_combined_router_is_its_logit_rule(seed: int, gamma: float) -> None:
    for combined, logit in ((PPunc, P), (PFc, P), (HPunc, H), (HFc, H)):
        assert answers(combined(gamma, fires_on="none"), seed) == answers(logit(gamma), seed)
        assert set(answers(combined(gamma, fires_on="all"), seed)) == {ALIGNED}


def test_combined_routers_hand_on_their_options() -> None:
    assert PFc(0.2, "either", "class", "de", ("hm",)).chain.routers == (
        Fc("either", "class", "de", ("hm",)),
        P(0.2),
    )
    assert HPunc(0.2, "aligned").needs == {BASE, ALIGNED}
    assert PPunc(0.2).needs == {BASE}
    for wrong in (lambda: PPunc(-1), lambda: HFc(float("nan")), lambda: PFc(language="xx")):
        with pytest.raises(ValueError, match=r"gamma|language"):
            wrong()


def test_members_are_asked_in_order_until_one_has_an_opinion() -> None:
    decider = Chain((EveryThird(), Punc(), Base())).start(generation(WORDS))
    told = [decided(decider, point({BASE: row_for(token_id, 4)})) for token_id in (1, 0, 1, 0)]
    assert [decision.source for decision in told] == [ALIGNED, BASE, ALIGNED, BASE]
    assert told[2].reason == "asked 3 times"


@pytest.mark.parametrize("otherwise", ["base", "aligned"])
def test_where_nobody_has_an_opinion_otherwise_writes(otherwise: str) -> None:
    chain = Chain((Punc(), Fc()), otherwise)  # type: ignore[arg-type]
    decision = decided(chain.start(generation(WORDS)), point({BASE: row_for(0, 4)}))
    assert decision == Decision(Source(otherwise), "no router has an opinion")


def test_a_chain_within_a_chain_passes_too() -> None:
    chain = Chain((Chain((Punc(),), "base"), Aligned()))
    assert decided(chain.start(generation(WORDS)), point({BASE: row_for(0, 4)})).source is ALIGNED


def test_members_behind_the_guard_of_a_registry_keep_their_opinion() -> None:
    chain = Chain((GuardedRouter(Punc(), "router 'punc'"), GuardedRouter(Aligned(), "router 'aligned'")))
    assert decided(chain.start(generation(WORDS)), point({BASE: row_for(0, 4)})).source is ALIGNED


def test_a_chain_needs_what_its_members_need() -> None:
    assert Chain((Aligned(),)).needs == frozenset()
    assert Chain((Punc(probe="aligned"), P())).needs == {BASE, ALIGNED}


def test_a_chain_can_be_run_ahead_only_if_its_members_can() -> None:
    judge = Judge(endpoint="http://127.0.0.1:1/v1", model="m")
    assert Chain((Punc(), P())).replayable
    assert not Chain((Punc(), judge)).replayable
    assert not Chain((Punc(), Chain((judge,)))).replayable


def test_a_chain_blocks_if_a_member_does() -> None:
    judge = GuardedRouter(Judge(endpoint="http://127.0.0.1:1/v1", model="m"), "router 'judge'")
    assert not Chain((Punc(), P())).blocking
    assert Chain((Punc(), Chain((judge,)))).blocking


def test_a_chain_remembers_only_if_a_member_does() -> None:
    assert not isinstance(Chain((Punc(), P())).start(generation(WORDS)), StatefulDecider)
    assert isinstance(Chain((EveryThird(), P())).start(generation(WORDS)), StatefulDecider)


def test_a_chain_gives_its_members_their_state_back() -> None:
    decider = Chain((Punc(), EveryThird(), Chain((EveryThird(),)), Base())).start(generation(WORDS))
    assert isinstance(decider, StatefulDecider)
    at = point({BASE: np.zeros(4, np.float32)})
    decider.decide(at)
    snapshot = decider.snapshot()
    first = [decider.decide(at) for _ in range(7)]
    decider.restore(snapshot)
    assert [decider.decide(at) for _ in range(7)] == first
    check_router(Chain((EveryThird(), P(0.3))))


def test_a_chain_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="routers must name one router or more"):
        Chain(())
    with pytest.raises(ValueError, match="otherwise must be one of base, aligned"):
        Chain((Base(),), "nobody")  # type: ignore[arg-type]
