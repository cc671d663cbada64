"""Blends of both models' rows: what they compute, their ends, and when they are refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ConfigError
from baco_core.options import build
from baco_core.router import Decision, Router
from baco_core.rows import Logits
from baco_core.source import Source
from baco_core.testing.routers import check_router
from baco_routers.blend import Contrast, Ensemble
from tests.routers.made import ALIGNED, BASE, decided, generation, point, row_of, vocabulary_of

WORDS = vocabulary_of("a", "b", "c", "d")
logits = st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=4)


def blended(router: Router, base: Logits, aligned: Logits) -> Decision:
    decider = router.start(generation(WORDS))
    return decided(decider, point({BASE: base, ALIGNED: aligned}))


def probabilities(router: Router, base: Any, aligned: Any) -> Any:
    row = blended(router, np.asarray(base, np.float32), np.asarray(aligned, np.float32)).row
    assert row is not None
    assert row.dtype == np.float32
    weights = np.exp(row.astype(np.float64))
    return weights / weights.sum()


def softmax(row: Any) -> Any:
    weights = np.exp(np.asarray(row, np.float64) - max(row))
    return weights / weights.sum()


@given(logits, logits, st.floats(0.01, 0.99))
def test_an_ensemble_of_probabilities_is_their_weighted_mean(base: Any, aligned: Any, weight: float) -> None:
    found = probabilities(Ensemble(weight), base, aligned)
    np.testing.assert_allclose(
        found, weight * softmax(base) + (1 - weight) * softmax(aligned), rtol=1e-4, atol=1e-12
    )


@given(logits, logits, st.floats(0.01, 0.99))
def test_an_ensemble_of_logits_is_the_softmax_of_their_weighted_mean(
    base: Any, aligned: Any, weight: float
) -> None:
    mean = weight * np.asarray(base, float) + (1 - weight) * np.asarray(aligned, float)
    np.testing.assert_allclose(
        probabilities(Ensemble(weight, "logits"), base, aligned), softmax(mean), rtol=1e-4, atol=1e-12
    )


@given(logits, logits, st.floats(0.01, 0.99))
def test_contrast_up_to_one_is_an_ensemble_of_logits(base: Any, aligned: Any, alpha: float) -> None:
    np.testing.assert_allclose(
        probabilities(Contrast(alpha), base, aligned),
        probabilities(Ensemble(1 - alpha, "logits"), base, aligned),
        rtol=1e-4,
        atol=1e-12,
    )


@given(logits, logits, st.floats(0, 3), st.floats(-50, 50))
def test_a_constant_added_to_a_row_changes_no_blend(
    base: Any, aligned: Any, alpha: float, shift: float
) -> None:
    if alpha in (0, 1):
        return
    lifted = np.asarray(base, np.float64) + shift
    np.testing.assert_allclose(
        probabilities(Contrast(alpha), base, aligned),
        probabilities(Contrast(alpha), lifted, aligned),
        rtol=1e-2,
        atol=1e-9,
    )


def test_contrast_beyond_one_goes_beyond_aligned() -> None:
    base, aligned = row_of([0.25, 0.25, 0.25, 0.25]), row_of([0.4, 0.3, 0.2, 0.1])
    expected = np.array([0.4, 0.3, 0.2, 0.1]) ** 2
    np.testing.assert_allclose(
        probabilities(Contrast(2), base, aligned), expected / expected.sum(), rtol=1e-5
    )


def test_contrast_picks_only_what_aligned_finds_plausible() -> None:
    base, aligned = row_of([0.3, 0.69, 0.005, 0.005]), row_of([0.6, 0.3, 0.05, 0.05])
    found = probabilities(Contrast(3, plausible=0.1), base, aligned)
    assert found[2] == found[3] == 0
    assert probabilities(Contrast(3), base, aligned)[2] > 0.2


def test_what_a_model_rules_out_stays_out_and_what_neither_allows_is_aligneds() -> None:
    base, aligned = row_of([0.5, 0.5, 0, 0]), row_of([0, 0.5, 0.5, 0])
    assert probabilities(Ensemble(0.5), base, aligned).tolist() == pytest.approx([0.25, 0.5, 0.25, 0])
    for router in (Ensemble(0.5, "logits"), Contrast(1.5)):
        assert probabilities(router, base, aligned).tolist() == [0, 1, 0, 0]
    apart = row_of([1, 0, 0, 0]), row_of([0, 0, 0.5, 0.5])
    assert probabilities(Contrast(1.5), *apart).tolist() == pytest.approx([0, 0, 0.5, 0.5])


@pytest.mark.parametrize(
    ("router", "source"),
    [
        *((Ensemble(0.0), ALIGNED), (Ensemble(1.0, "logits"), BASE)),
        *((Contrast(0.0), BASE), (Contrast(1.0), ALIGNED)),
    ],
)
def test_at_its_ends_a_blend_is_one_models_own_row(router: Router, source: Source) -> None:
    decision = blended(router, row_of([0.5, 0.5, 0, 0]), row_of([0, 0, 0.5, 0.5]))
    assert decision.source is source
    assert decision.row is None


@pytest.mark.parametrize(
    "router",
    [Ensemble(), Ensemble(0.3, "logits"), Ensemble(1), Contrast(), Contrast(0), Contrast(1000, 0.1)],
    ids=repr,
)
def test_blends_conform(router: Router) -> None:
    check_router(router, trials=12)


def test_two_vocabularies_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs one vocabulary, but base has 4 tokens and aligned 2;"):
        Ensemble().start(generation(WORDS, vocabulary_of("a", "b")))


@pytest.mark.parametrize(
    ("factory", "options", "words"),
    [
        (Ensemble, {"weight": 1.1}, r"weight: expected float <= 1\.0"),
        (Ensemble, {"rule": "logit"}, r"rule: 'logit' is not allowed\. Did you mean 'logits'\?"),
        (Contrast, {"alpha": -0.1}, r"alpha: expected float >= 0\.0"),
        (Contrast, {"alpha": math.inf}, r"alpha: expected float <= 1000\.0"),
        (Contrast, {"plausible": 2}, r"plausible: expected float <= 1\.0"),
    ],
)
def test_wrong_options_are_refused(factory: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(factory, options, "router.options")
