"""Partition into classes, what is counted of them, utility, and similarity matrices."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ConfigError
from baco_eval.metrics.classes import DistinctK, SemanticEntropy, entropy
from baco_eval.metrics.metric import NotMeasured
from baco_eval.metrics.partition import (
    RULES,
    or_short,
    partition,
    same_by_rouge_1,
    same_if_short,
)
from baco_eval.metrics.utility import CUTS, points_of, utility
from baco_eval.metrics.vendi import mean_distance, vendi
from baco_eval.records import Prompt

PROMPT = Prompt("p", "Name a colour.")
PATTERN = [0, 1, 0, 0, 2, 3, 4, 2, 0, 0]
classes = st.lists(st.integers(0, 5), min_size=1, max_size=12)


def test_only_the_first_member_of_a_class_is_compared() -> None:
    """1 is near 0 and 2 is near 1, but 2 is not near the first of their class."""
    asked: list[tuple[int, int]] = []

    def near(first: int, later: int) -> bool:
        asked.append((first, later))
        return abs(first - later) <= 1

    assert partition([0, 1, 2, 3], near) == [0, 0, 1, 1]
    assert asked == [(0, 1), (0, 2), (0, 3), (2, 3)]


def test_a_text_belongs_to_the_first_class_that_claims_it() -> None:
    assert partition([0, 2, 1], lambda first, later: abs(first - later) <= 1) == [0, 1, 0]


@given(classes)
def test_equality_parts_into_equal_ones_numbered_by_first_appearance(items: list[int]) -> None:
    found = partition(items, lambda first, later: first == later)
    assert found == [list(dict.fromkeys(items)).index(item) for item in items]


def test_nothing_has_no_classes() -> None:
    assert partition([], same_by_rouge_1) == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Blue", " blue ", True),
        ("navy blue", "blue", True),  # 2 x 1 reaches 2
        ("a dark blue", "blue", False),  # 2 x 1 does not reach 3
        ("blue blue blue blue", "blue", False),  # one different common word, four words
        ("a b c d e", "a b c x y", True),
        ("a b c d e", "a b x y z", False),
        ("blue.", "blue", False),  # white space alone separates
        ("", " ", True),
        ("", "blue", False),
        ("a b c d e f", "a b c d e f", None),
        ("a", "a b c d e f", None),
    ],
)
def test_the_short_rule(first: str, second: str, same: bool | None) -> None:
    assert same_if_short(first, second) is same
    assert same_if_short(second, first) is same


def test_the_rouge_rule_asks_for_more_than_0_458_and_not_for_the_short_rule() -> None:
    # F = 2 x common / (words + words)
    assert same_by_rouge_1("a b c", "a x y z") is False  # 2/7
    assert same_by_rouge_1("a b", "a y") is True  # 1/2
    eleven, thirteen = "a b c d e f g h i j k", "a b c d e 1 2 3 4 5 6 7 8"
    assert same_by_rouge_1(eleven, thirteen) is False  # 10/24 = 0.417
    assert same_by_rouge_1(eleven + " l m", thirteen + " f k l") is True  # 13 + 16 words, 8 common: 0.55
    assert same_by_rouge_1("a dark blue", "blue") is True  # 1/2, where the short rule says no
    assert same_by_rouge_1("", "") is True
    assert same_by_rouge_1("", "a") is False


def test_the_threshold_itself_is_not_above() -> None:
    common, total = 229, 1000  # F = 2 x 229 / 1000 = 0.458
    first = [f"c{i}" for i in range(common)] + [f"a{i}" for i in range(500 - common)]
    second = [f"c{i}" for i in range(common)] + [f"b{i}" for i in range(500 - common)]
    assert len(first) + len(second) == total
    assert same_by_rouge_1(" ".join(first), " ".join(second)) is False
    assert same_by_rouge_1(" ".join(first), " ".join([*second[:-1], "a0"])) is True


def test_the_short_rule_goes_before_another() -> None:
    rule = or_short(lambda first, second: pytest.fail("short texts are not for the other rule"))
    assert rule("navy blue", "blue") is True
    assert or_short(lambda first, second: True)("a b c d e f", "z") is True
    assert RULES["short-or-rouge-1"]("a dark blue", "blue") is False
    assert RULES["rouge-1"]("a dark blue", "blue") is True


def test_the_pattern_has_five_classes() -> None:
    """NoveltyBench's field `distinct` is max(partition), one below the count."""
    names = ["red", "green", "blue", "black", "white"]
    texts = [names[number] for number in PATTERN]
    for rule in ("rouge-1", "short-or-rouge-1"):
        metric = DistinctK(rule)
        assert metric.classes(texts) == PATTERN
        assert metric.measure(texts, PROMPT) == 5 == max(PATTERN) + 1


def test_entropy_has_its_check_value() -> None:
    assert entropy(PATTERN) == pytest.approx(1.35924, abs=5e-6)  # sizes 5, 2, 1, 1, 1
    texts = [["red", "green", "blue", "black", "white"][number] for number in PATTERN]
    assert SemanticEntropy().measure(texts, PROMPT) == entropy(PATTERN)
    assert entropy([0]) == entropy([3, 3]) == 0


@given(classes)
def test_entropy_is_that_of_scipy_and_at_most_ln_of_the_classes(items: list[int]) -> None:
    stats = pytest.importorskip("scipy.stats")
    counts = [items.count(item) for item in set(items)]
    assert entropy(items) == pytest.approx(stats.entropy(counts), abs=1e-12)
    assert 0 <= entropy(items) <= math.log(len(set(items))) + 1e-12


@pytest.mark.parametrize("metric", [DistinctK(), SemanticEntropy()])
def test_too_little_is_not_measured(metric: DistinctK) -> None:
    with pytest.raises(NotMeasured, match="1 text of this prompt"):
        metric.measure(["red"], PROMPT)
    with pytest.raises(NotMeasured, match="every text is empty"):
        metric.measure(["", " "], PROMPT)
    assert metric.measure(["red", ""], PROMPT) > metric.measure(["red", "red"], PROMPT)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown partition rule 'rouge-2'.* Did you mean 'rouge-1'"):
        DistinctK("rouge-2")  # type: ignore[arg-type]
    with pytest.raises(NotMeasured, match="there is no text"):
        entropy([])


def test_utility_has_its_check_values() -> None:
    assert utility([0] * 10, [10] * 10) == pytest.approx(2.2405804992, abs=5e-11)
    assert utility(PATTERN, [10] * 10) == pytest.approx(6.2723348234, abs=5e-11)


@given(classes, st.floats(0.05, 0.95), st.data())
def test_utility_is_a_mean_of_the_qualities_of_what_is_new(
    items: list[int], patience: float, data: Any
) -> None:
    qualities = data.draw(st.lists(st.integers(1, 10), min_size=len(items), max_size=len(items)))
    value = utility(items, qualities, patience)
    assert 0 < value <= 10 + 1e-9
    weights = patience ** np.arange(len(items))
    new = [item not in items[:place] for place, item in enumerate(items)]
    assert value == pytest.approx(np.average(np.array(new) * qualities, weights=weights))
    assert utility(list(range(len(items))), [7] * len(items), patience) == pytest.approx(7)


@pytest.mark.parametrize(
    ("reward", "points"),
    [(-100, 1), (-7.71875, 1), (-7.7, 2), (-6.0, 3), (-5.99, 4), (-2.046875, 9), (-2, 10), (math.inf, 10)],
)
def test_a_reward_on_a_cut_counts_as_below(reward: float, points: int) -> None:
    assert points_of(reward) == points
    assert len(CUTS) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "not 0 and 0"),
        (([0], [1, 2]), "not 1 and 2"),
        (([0], [math.nan]), "not finite"),
        (([0], [1], 1.0), "patience must lie between 0 and 1"),
    ],
)
def test_bad_input_of_utility_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        utility(*arguments)
    with pytest.raises(ConfigError, match="reward is NaN"):
        points_of(math.nan)


def cosines(k: int, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return cosines of k random vectors of three numbers, so that some matrices are singular."""
    vectors = np.random.default_rng(seed).normal(size=(k, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def test_vendi_has_its_check_values() -> None:
    assert vendi([[1, 0.5], [0.5, 1]]) == pytest.approx(1.75477, abs=5e-6)
    assert vendi(np.eye(4)) == pytest.approx(4)
    assert vendi(np.ones((4, 4))) == pytest.approx(1)
    assert vendi([[1]]) == 1


@given(st.integers(1, 8), st.integers(0, 1000))
def test_vendi_is_in_range_and_that_of_vendi_score(k: int, seed: int) -> None:
    theirs = pytest.importorskip("vendi_score.vendi")
    matrix = cosines(k, seed)
    with warnings.catch_warnings():  # it looks for a class where scipy will soon not have it
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = theirs.score_K(matrix)
    assert vendi(matrix) == pytest.approx(expected, rel=1e-6)
    assert 1 <= vendi(matrix) <= k
    shuffled = np.random.default_rng(seed).permutation(k)
    assert vendi(matrix[shuffled][:, shuffled]) == pytest.approx(vendi(matrix))
    assert vendi(matrix.astype(np.float32)) == pytest.approx(vendi(matrix), rel=1e-4)


def test_the_mean_distance_leaves_the_diagonal_out() -> None:
    matrix = np.array([[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]])
    assert mean_distance(matrix) == pytest.approx((0.5 + 0.8 + 0.9) / 3)
    assert (1 - matrix).mean() == pytest.approx(mean_distance(matrix) * 2 / 3)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([], "it must be"),
        ([[1, 0]], r"shape \(1, 2\)"),
        ([[1, math.nan], [math.nan, 1]], "not finite"),
        ([[2, 0], [0, 2]], "1 on the diagonal"),
        ([[1, 0.5], [0.2, 1]], "symmetric"),
        ([[1, 2], [2, 1]], "eigenvalue -0.5; they must be of vectors"),
    ],
)
def test_other_matrices_are_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vendi(matrix)
    with pytest.raises(ConfigError, match="one text has no distance"):
        mean_distance([[1.0]])
