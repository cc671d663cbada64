"""At its end points a router is one model alone, token for token (DESIGN 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.decode import Rules
from baco_core.decoding import Decoding
from baco_core.engine import Inline
from baco_core.exchange import SharedTokens
from baco_core.lane import Lane, Prefix
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.router import Router, asks_everywhere
from baco_core.sampler import Sampler
from baco_core.scheduler import Scheduler
from baco_core.schedules import SCHEDULES
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, fake_vocabulary
from baco_routers.blend import Contrast, Ensemble
from baco_routers.chain import Chain, HFc, HPunc, PFc, PPunc
from baco_routers.constant import Aligned, Base
from baco_routers.content import Fc, Punc
from baco_routers.logit import H, Nudging, P
from baco_routers.rand import Rand
from baco_samplers.samplers import Greedy, Multinomial
from tests.routers.made import ALIGNED, BASE, generation

WORDS = fake_vocabulary((" the", " of", " cat", " sat", ",", ".", "\n", " **", "ing", "s", " lighthouse"))
SAMPLERS = (Greedy(), Multinomial(), Multinomial(temperature=0.7, top_p=0.9, repetition_penalty=1.2))
LENGTH = 20

ALIGNED_ALONE = [
    *(P(0), H(math.inf), Rand(0), Nudging(2), Punc(fires_on="all"), Fc(fires_on="all")),
    *(PPunc(0), HPunc(math.inf), PFc(0), HFc(math.inf), PPunc(2, fires_on="all"), HFc(-1, fires_on="all")),
    *(Chain((Punc(), Aligned())), Chain((P(0), Base()))),
    *(Ensemble(0), Ensemble(0, "logits"), Contrast(1)),
]
BASE_ALONE = [
    *(P(1.01), P(math.inf), H(-1), Rand(1), Nudging(0), Punc(fires_on="none"), Fc(fires_on="none")),
    *(PPunc(1.01, fires_on="none"), HPunc(-1, fires_on="none"), Chain((Fc(fires_on="none"),))),
    *(Ensemble(1), Ensemble(1, "logits"), Contrast(0)),
]
EVERY: list[Router] = [
    Rand(0.5),
    P(0.3),
    H(2.0),
    Punc(),
    Fc(),
    PPunc(0.4),
    HPunc(2.0),
    PFc(0.5),
    HFc(2.0),
    Nudging(0.3),
]
BLENDS: list[Router] = [Ensemble(), Ensemble(0.3, "logits"), Contrast(), Contrast(2, plausible=0.1)]

seeds = st.integers(0, 2**32)


def write(
    router: Router, seed: int, sampler: Sampler, *, twins: bool = False, schedule: str = "lazy"
) -> list[tuple[int, Source]]:
    favour = range(256, WORDS.size)
    models = {
        BASE: FakeModel(1, WORDS.size, favour=favour),
        ALIGNED: FakeModel(1 if twins else 2, WORDS.size, favour=favour, lift=6.0 if twins else 7.0),
    }
    lanes = {
        source: Lane(Prefix(model, (65, 66), LENGTH, source), SharedTokens())
        for source, model in models.items()
    }
    known = generation(WORDS, seed=seed)
    rules = Rules(router.needs, known.vocabularies, {}, LENGTH, asks_everywhere(router))
    scheduler = Scheduler([*models.values()], SCHEDULES[schedule], Inline())
    scheduler.add(Decoding(lanes, router.start(known), Picker(sampler, GumbelNoise(seed)), rules))
    written: list[tuple[int, Source]] = []
    while scheduler.busy:
        written += [(step.token_id, step.source) for _, step in scheduler.run()]
    return written


def tokens(written: Sequence[tuple[int, Source]]) -> list[int]:
    return [token_id for token_id, _ in written]


@pytest.mark.parametrize("router", ALIGNED_ALONE, ids=repr)
@settings(max_examples=5)
@given(seed=seeds, sampler=st.sampled_from(SAMPLERS))
def test_routers_at_one_end_write_as_the_aligned_model_alone(
    router: Router, seed: int, sampler: Sampler
) -> None:
    assert write(router, seed, sampler) == write(Aligned(), seed, sampler)


@pytest.mark.parametrize("router", BASE_ALONE, ids=repr)
@settings(max_examples=5)
@given(seed=seeds, sampler=st.sampled_from(SAMPLERS))
def test_routers_at_the_other_end_write_as_the_base_model_alone(
    router: Router, seed: int, sampler: Sampler
) -> None:
    assert write(router, seed, sampler) == write(Base(), seed, sampler)


@pytest.mark.parametrize("router", [*EVERY, *BLENDS[:3]], ids=repr)
@settings(max_examples=5)
@given(seed=seeds, sampler=st.sampled_from(SAMPLERS))
def test_a_pair_of_equal_models_writes_as_that_model_whatever_the_router(
    router: Router, seed: int, sampler: Sampler
) -> None:
    assert tokens(write(router, seed, sampler, twins=True)) == tokens(
        write(Base(), seed, sampler, twins=True)
    )


@pytest.mark.parametrize("router", [*EVERY, *BLENDS], ids=repr)
@settings(max_examples=5)
@given(seed=seeds, sampler=st.sampled_from(SAMPLERS))
def test_lazy_writes_what_plain_writes(router: Router, seed: int, sampler: Sampler) -> None:
    assert write(router, seed, sampler) == write(router, seed, sampler, schedule="plain")


def test_between_their_ends_routers_let_both_models_write() -> None:
    shares = {}
    for router in EVERY:
        written = [source for seed in range(12) for _, source in write(router, seed, Multinomial())]
        shares[router] = np.mean([source is BASE for source in written])
    assert all(0.02 < share < 0.98 for share in shares.values()), shares


@pytest.mark.parametrize("router", BLENDS, ids=repr)
def test_between_their_ends_blends_write_what_neither_model_writes(router: Router) -> None:
    mixed = tokens(write(router, 3, Multinomial()))
    assert mixed != tokens(write(Base(), 3, Multinomial()))
    assert mixed != tokens(write(Aligned(), 3, Multinomial()))
