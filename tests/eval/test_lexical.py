"""Lexical metrics against hand-computed values and independent implementations."""

from __future__ import annotations

import gzip
import math
import sys
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baco_eval.metrics.lexical import (
    Compression,
    Distinct1,
    Distinct2,
    Ead,
    Lexical,
    RougeL,
    SelfBleu,
    expectation_adjusted,
)
from baco_eval.metrics.metric import NotMeasured
from baco_eval.metrics.rouge import longest_common, rouge_1, rouge_l
from baco_eval.records import Generation, Prompt

PROMPT = Prompt("p", "Tell me a story.")
METRICS: list[Lexical] = [Distinct1(), Distinct2(), Ead(), SelfBleu(), Compression(), RougeL()]
named = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)

some_words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), max_size=12)
some_texts = st.lists(some_words.map(" ".join), min_size=2, max_size=4)


def stories(count: int = 6, length: int = 40, seed: int = 0) -> list[str]:
    """Return texts of words that come back as in language, some more often than others."""
    rng = np.random.default_rng(seed)
    ranks = 1 / np.arange(1, 61)
    words = [f"w{index}" for index in range(60)]
    return [" ".join(rng.choice(words, length, p=ranks / ranks.sum())) for _ in range(count)]


@pytest.mark.parametrize(
    ("metric", "texts", "value"),
    [
        (Distinct1(), ["a b c", "d e f"], 1.0),
        (Distinct1(), ["a b c", "a b c"], 0.5),
        (Distinct1(), ["A, a. b"], 2 / 3),
        (Distinct2(), ["a a a a"], 1 / 3),
        (Distinct2(), ["a b", "b a"], 1.0),  # none goes from one text to the next
        (Distinct2(), ["a", "b c"], 1.0),
        (Ead(vocabulary=2), ["a b"], 2 / (2 * (1 - 0.25))),
        (Ead(vocabulary=10), ["a", "a"], 1 / (10 * (1 - 0.81))),
        # precisions 3/4, 2/3, 1/2 and 0 of 1, smoothed to 1/2, both ways
        (SelfBleu(), ["a b c d", "a b c e"], 1 - 0.125**0.25),
        (SelfBleu(), ["a b c d e"] * 3, 0.0),
        (SelfBleu(), ["a"] * 2, 0.0),
        (SelfBleu(), ["a b c d", ""], 1.0),
        (SelfBleu(), ["a b c d", "", ""], 1 / 3),
        (RougeL(), ["a b c d", "a c d e"], 1 - 3 / 4),
        (RougeL(), ["a b c", "c b a"], 1 - 1 / 3),
        (RougeL(), ["a b", "a b", "c d"], 2 / 3),
        (RougeL(), ["a b", ""], 1.0),
        (RougeL(), ["a b", "", ""], 2 / 3),
        (RougeL(), ["Привет мир"] * 2, 0.0),
    ],
)
def test_values_are_those_computed_by_hand(metric: Lexical, texts: list[str], value: float) -> None:
    assert metric.measure(texts, PROMPT) == pytest.approx(value, abs=1e-12)


def test_ead_has_its_check_value() -> None:
    assert expectation_adjusted(50, 100, 1000) == pytest.approx(0.52517, abs=5e-6)
    assert expectation_adjusted(50, 100, 1000) == pytest.approx(50 / (1000 * (1 - 0.999**100)))
    # The formula as written loses its digits with a large vocabulary; the limit is N / C.
    assert expectation_adjusted(50, 100, 10**15) == pytest.approx(0.5)


@pytest.mark.parametrize(("metric", "n"), [(Distinct1(), 1), (Distinct2(), 2)])
@given(texts=some_texts)
@example(texts=stories())
def test_distinct_n_is_what_scikit_learn_counts(metric: Lexical, n: int, texts: list[str]) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    vectorizer = text.CountVectorizer(ngram_range=(n, n), token_pattern=r"\S+")  # noqa: S106
    if any(len(one.split()) >= n for one in texts):
        counts = vectorizer.fit_transform(texts)
        assert metric.measure(texts, PROMPT) == pytest.approx(counts.shape[1] / counts.sum())


def test_self_bleu_is_that_of_nltk() -> None:
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    for seed in range(5):
        texts = stories(count=4, length=15, seed=seed)
        split = [text.split() for text in texts]
        smooth = bleu.SmoothingFunction().method3
        scores = [
            bleu.sentence_bleu(split[:i] + split[i + 1 :], split[i], smoothing_function=smooth)
            for i in range(len(split))
        ]
        assert SelfBleu().measure(texts, PROMPT) == pytest.approx(1 - np.mean(scores), abs=1e-9)


def test_self_bleu_takes_all_others_as_references_and_no_mean_over_pairs() -> None:
    texts = ["a b c d e f", "a b c d x y", "u v c d e f"]
    pairs = [SelfBleu().measure(pair, PROMPT) for pair in permutations(texts, 2)]
    assert SelfBleu().measure(texts, PROMPT) < np.mean(pairs) - 0.05


@given(some_words, some_words)
def test_rouge_is_that_of_rouge_score(first: list[str], second: list[str]) -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rougeL"])
    theirs = scorer.score(" ".join(first), " ".join(second))
    if first or second:
        assert rouge_1(first, second) == pytest.approx(theirs["rouge1"].fmeasure)
        assert rouge_l(first, second) == pytest.approx(theirs["rougeL"].fmeasure)
    else:
        assert rouge_1(first, second) == rouge_l(first, second) == 1
        assert theirs["rougeL"].fmeasure == 0, "there two empty texts differ most"


@given(some_words, some_words)
def test_the_longest_common_subsequence_is_that_of_the_table(first: list[str], second: list[str]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, one in enumerate(first, 1):
        for j, other in enumerate(second, 1):
            table[i][j] = table[i - 1][j - 1] + 1 if one == other else max(table[i - 1][j], table[i][j - 1])
    assert longest_common(first, second) == longest_common(second, first) == table[-1][-1]


def test_rouge_l_is_the_mean_of_rouge_score_over_pairs() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    texts = stories()
    scores = [scorer.score(*pair)["rougeL"].fmeasure for pair in combinations(texts, 2)]
    assert RougeL().measure(texts, PROMPT) == pytest.approx(1 - np.mean(scores))


def test_texts_are_compressed_once() -> None:
    """Bytes that are gzipped already, written through a gzip file again, hide how alike copies are."""
    copies = ["The old keeper climbed the tower and lit the lamp again."] * 10
    data = "\n".join(copies).encode()
    once = gzip.compress(data, mtime=0)
    value = Compression().measure(copies, PROMPT)
    assert value == len(once) / len(data)
    assert value < 0.9 * len(gzip.compress(once, mtime=0)) / len(data)
    assert 1 / value > 5
    assert Compression().measure(stories(), PROMPT) > 2 * value


def test_compression_has_no_time_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Compression().measure(stories(), PROMPT)
    monkeypatch.setattr("time.time", lambda: 2.0**31 - 1)
    assert Compression().measure(stories(), PROMPT) == before


@named
@given(texts=some_texts, random=st.randoms())
def test_values_lie_in_their_range_whatever_the_order(metric: Lexical, texts: list[str], random: Any) -> None:
    try:
        value = metric.measure(texts, PROMPT)
    except NotMeasured:
        return
    low, high = metric.range
    assert math.isfinite(value)
    assert low <= value <= high
    shuffled = random.sample(texts, len(texts))
    if not isinstance(metric, Compression):  # a compressor reads in order
        assert metric.measure(shuffled, PROMPT) == pytest.approx(value)


@named
def test_unlike_texts_are_more_diverse_than_copies(metric: Lexical) -> None:
    texts = stories()
    assert metric.measure(texts, PROMPT) > metric.measure([texts[0]] * 6, PROMPT)


@named
def test_a_common_cut_takes_the_length_out(metric: Lexical) -> None:
    long, short = stories(length=80), [" ".join(text.split()[:30]) for text in stories(length=80)]
    cut = type(metric)(words=30)
    assert cut.measure(long, PROMPT) == cut.measure(short, PROMPT) == metric.measure(short, PROMPT)
    assert metric.measure(long, PROMPT) != metric.measure(short, PROMPT)


@named
def test_generations_are_measured_by_their_texts(metric: Lexical) -> None:
    texts = stories()
    generations = [
        Generation("p", "gamma=0.3", "p", index, text, "stop", 40, 10) for index, text in enumerate(texts)
    ]
    assert metric.measure(generations, PROMPT) == metric.measure(texts, PROMPT)


@named
def test_no_words_are_not_measured(metric: Lexical) -> None:
    for texts in (["", "  \n"], [""] * 3):
        with pytest.raises(NotMeasured, match="every text is empty"):
            metric.measure(texts, PROMPT)
    with pytest.raises(NotMeasured, match="0 texts of this prompt"):
        metric.measure([], PROMPT)


@pytest.mark.parametrize("metric", [SelfBleu(), RougeL()])
def test_one_text_has_nothing_to_be_compared_with(metric: Lexical) -> None:
    with pytest.raises(NotMeasured, match="1 text of this prompt; at least 2 are compared"):
        metric.measure(["a b c"], PROMPT)


def test_reasons_are_told() -> None:
    with pytest.raises(NotMeasured, match="no text has 1 word"):
        Distinct1().measure(["!!!"], PROMPT)
    with pytest.raises(NotMeasured, match="no text has 2 words"):
        Distinct2().measure(["a", "b"], PROMPT)
    with pytest.raises(NotMeasured, match="no text has 1 word"):
        Ead().measure(["!!!"], PROMPT)
    with pytest.raises(NotMeasured, match="3 different words; set the option vocabulary to more"):
        Ead(vocabulary=2).measure(["a b c"], PROMPT)


def test_a_missing_package_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(NotMeasured, match=r"needs the package sacrebleu .*pip install 'baco\[eval\]'"):
        SelfBleu().measure(["a b", "c d"], PROMPT)


def test_nothing_heavy_is_imported_before_it_is_used() -> None:
    import subprocess

    code = (
        "import sys, baco_eval.metrics.lexical as m; "
        "print([n for n in ('sacrebleu', 'regex', 'scipy', 'nltk', 'sklearn') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
