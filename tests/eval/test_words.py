"""Words, and the common cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ConfigError
from baco_eval.metrics.words import LEAST_WORDS, common_words, ngrams, truncate, word_counts, words
from baco_eval.records import Generation

ascii_texts = st.text(st.characters(max_codepoint=127), max_size=60)


@given(ascii_texts)
def test_english_words_are_those_of_rouge_score(text: str) -> None:
    tokenize = pytest.importorskip("rouge_score.tokenize")
    assert words(text) == tokenize.tokenize(text, None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop, Café!", ["don", "t", "stop", "café"]),
        ("cafe\u0301", ["cafe\u0301"]),
        ("Привет, мир", ["привет", "мир"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("我爱abc诗3", ["我", "爱", "abc", "诗", "3"]),
        ("_*_ ... \n", []),
        ("", []),
    ],
)
def test_every_script_has_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_rouge_score_finds_no_words_in_other_scripts() -> None:
    """Why the words are our own: two equal Russian texts have ROUGE 0 there."""
    tokenize = pytest.importorskip("rouge_score.tokenize")
    assert tokenize.tokenize("Привет, мир", None) == []


@given(st.text(max_size=60), st.integers(1, 12))
def test_a_cut_keeps_the_first_words_as_they_were_written(text: str, count: int) -> None:
    cut = truncate(text, count)
    assert text.startswith(cut)
    assert words(cut) == words(text)[:count]
    assert truncate(cut, count) == cut
    assert truncate(text, 0) == text


def test_a_cut_keeps_punctuation_and_line_breaks_inside() -> None:
    assert truncate("One, two.\n\nThree - four!", 3) == "One, two.\n\nThree"
    assert truncate("One, two!", 2) == "One, two"
    assert truncate("One, two!", 3) == "One, two!"


def test_the_shortest_median_decides_where_all_are_cut() -> None:
    assert common_words({"a": [100, 50, 60], "b": [40, 45, 200], "c": [300]}) == 45
    assert common_words({"a": [30, 40, 50, 60]}) == 40, "of two middle ones the shorter"


def test_a_setting_that_falls_apart_cuts_nobody_to_nothing() -> None:
    assert common_words({"a": [100, 90], "b": [0, 1, 2]}) == LEAST_WORDS
    assert common_words({"a": [100, 90], "b": [0, 1, 2]}, least=5) == 5


@given(st.dictionaries(st.integers(), st.lists(st.integers(20, 400), min_size=1), min_size=1))
def test_half_the_texts_of_each_setting_reach_the_cut(counts: dict[int, list[int]]) -> None:
    cut = common_words(counts)
    for found in counts.values():
        assert sum(count >= cut for count in found) >= len(found) / 2


def test_a_setting_without_texts_is_refused() -> None:
    with pytest.raises(ConfigError, match="no texts to cut; generate some"):
        common_words({})
    with pytest.raises(ConfigError, match="no texts to cut for setting 'b'"):
        common_words({"a": [3], "b": []})


def test_words_are_counted_by_setting() -> None:
    written = [
        Generation("p", setting, prompt, 0, text, "stop", 9, 0)
        for setting, prompt, text in (("g=1", "a", "One, two."), ("g=2", "a", ""), ("g=1", "b", "three"))
    ]
    assert word_counts(written) == {("p", "g=1"): [2, 1], ("p", "g=2"): [0]}
    assert common_words(word_counts(written), least=0) == 1  # 0 would cut nothing


def test_ngrams_are_runs() -> None:
    assert list(ngrams(["a", "b", "c"], 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(["a"], 2)) == []
