"""Perplexity under a third model, against rows computed by hand and a loop of single tokens."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.bundle import Bundle, FileRecord, SourceRecord, read_bundle
from baco_core.config import PairConfig
from baco_core.errors import BundleError, ConfigError, LookUpError
from baco_core.opening import MemberReference
from baco_core.plugins import load_plugins
from baco_eval.metrics.metric import NotMeasured
from baco_eval.metrics.quality import Perplexity
from baco_eval.models.scorer import (
    Scorer,
    default_scorer,
    log_likelihoods,
    open_scorer,
    refuse_same,
    windows,
    writers,
)
from baco_eval.records import Prompt

PROMPT = Prompt("p", "Tell me a story about a boat.")
STORY = "Once upon a time there was a little girl who had a red boat. She loved it very much."
OTHER = "The dog ran to the park and saw a big tree."
JUDGE, WRITER = "tiny:aligned", ("tiny:base",)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return open_scorer(JUDGE, WRITER, "", 0)


def one_by_one(scorer: Scorer, text: str, context: list[int]) -> list[float]:
    """Return ln p of each token by a loop that reads one token a pass, in plain Python."""
    tokens = [*context, *scorer.tokenizer.encode_text(text.encode())]
    sequence = scorer.model.open()
    found = []
    for position in range(len(tokens) - 1):
        row = [float(logit) for logit in sequence.extend([tokens[position]])[0]]
        top = max(row)
        total = math.fsum(math.exp(logit - top) for logit in row)
        found.append(row[tokens[position + 1]] - top - math.log(total))
    return found[max(len(context) - 1, 0) :]


def test_rows_give_the_log_of_a_softmax() -> None:
    rows = np.add(np.log([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]), [[3.0], [-200.0]])
    assert log_likelihoods(rows, [1, 2]) == pytest.approx([math.log(0.25), math.log(0.7)], abs=1e-12)


def test_rows_in_float32_lose_next_to_nothing() -> None:
    special = pytest.importorskip("scipy.special")
    rows = np.random.default_rng(0).normal(scale=5, size=(9, 50_000)).astype(np.float32)
    before = rows.copy()
    exact = special.log_softmax(rows.astype(np.float64), axis=1)[np.arange(9), np.arange(9)]
    found = log_likelihoods(rows, list(range(9)))
    assert found.dtype == np.float64
    assert np.abs(found - exact).max() < 2e-6
    assert (rows == before).all()


@pytest.mark.parametrize("text", [STORY, OTHER])
def test_a_text_has_the_likelihood_of_a_hand_made_loop(scorer: Scorer, text: str) -> None:
    assert scorer.log_probabilities(text) == pytest.approx(one_by_one(scorer, text, []), abs=1e-4)


def test_after_a_prompt_every_token_of_the_text_is_judged_and_none_of_the_prompt(scorer: Scorer) -> None:
    context = scorer.tokenizer.encode_context("Tell me a story.\n\n")
    found = scorer.log_probabilities(STORY, "Tell me a story.\n\n")
    assert len(found) == len(scorer.tokenizer.encode_text(STORY.encode()))
    assert found == pytest.approx(one_by_one(scorer, STORY, context), abs=1e-4)


def test_the_metric_is_minus_the_log_of_perplexity_averaged_over_texts(scorer: Scorer) -> None:
    means = [sum(found) / len(found) for found in (one_by_one(scorer, text, []) for text in (STORY, OTHER))]
    metric = Perplexity(JUDGE, WRITER)
    assert metric.measure([STORY, "", OTHER], PROMPT) == pytest.approx(sum(means) / 2, abs=1e-5)
    perplexity = math.exp(-sum(one_by_one(scorer, STORY, [])) / len(one_by_one(scorer, STORY, [])))
    assert metric.measure([STORY], PROMPT) == pytest.approx(-math.log(perplexity), abs=1e-5)


def test_of_many_texts_the_first_so_many_are_judged() -> None:
    two, all_of_them = Perplexity(JUDGE, WRITER, texts=2), Perplexity(JUDGE, WRITER)
    assert two.measure([STORY, OTHER, "x y z"], PROMPT) == all_of_them.measure([STORY, OTHER], PROMPT)
    assert two.measure([STORY], PROMPT) == all_of_them.measure([STORY], PROMPT)


def test_texts_that_are_equal_count_each(scorer: Scorer) -> None:
    means = [sum(found) / len(found) for found in (one_by_one(scorer, text, []) for text in (STORY, OTHER))]
    found = Perplexity(JUDGE, WRITER).measure([STORY, OTHER, STORY], PROMPT)
    assert found == pytest.approx((2 * means[0] + means[1]) / 3, abs=1e-5)


def test_language_is_likelier_than_shuffled_words() -> None:
    metric = Perplexity(JUDGE, WRITER)
    shuffled = " ".join(sorted(STORY.split(), key=lambda word: word[::-1]))
    assert metric.measure([STORY], PROMPT) > metric.measure([shuffled], PROMPT) + 1


def test_windows_change_only_what_lies_beyond_the_first(scorer: Scorer) -> None:
    whole = scorer.log_probabilities(STORY)
    cut = Scorer(scorer.model, scorer.tokenizer, 12).log_probabilities(STORY)
    assert len(cut) == len(whole) > 12
    assert cut[:11] == pytest.approx(whole[:11], abs=1e-4)
    # the twelfth is judged by the six tokens before it
    tokens = scorer.tokenizer.encode_text(STORY.encode())
    rows = scorer.model.open().extend(tokens[6:12])
    assert cut[11] == pytest.approx(log_likelihoods(rows, [tokens[12]])[0], abs=1e-4)


def test_a_text_beyond_the_context_is_read_in_windows(scorer: Scorer) -> None:
    text = " ".join([STORY] * 70)
    tokens = scorer.tokenizer.encode_text(text.encode())
    assert scorer.model.context_limit is not None
    assert len(tokens) > scorer.model.context_limit
    found = scorer.log_probabilities(text)
    assert len(found) == len(tokens) - 1
    assert np.isfinite(found).all()


@given(length=st.integers(0, 60), first=st.integers(0, 20), room=st.one_of(st.none(), st.integers(2, 30)))
def test_windows_score_every_token_once_within_their_room(length: int, first: int, room: int | None) -> None:
    found = list(windows(length, first, room))
    assert [token for one in found for token in range(one.scored, one.stop)] == list(range(first, length))
    for one in found:
        assert one.start <= one.scored < one.stop
        assert room is None or one.stop - one.start <= room
        assert one.start == 0 or one.start < one.scored


@pytest.mark.parametrize(
    ("metric", "texts", "reason"),
    [
        (Perplexity(JUDGE, WRITER), ["", "  "], "every text is empty"),
        (Perplexity(JUDGE, WRITER), [], "0 texts"),
        (Perplexity(JUDGE, WRITER), ["a"], "no text has a token"),
        (Perplexity(JUDGE), [STORY], "option pair"),
    ],
)
def test_what_cannot_be_judged_says_why(metric: Perplexity, texts: list[str], reason: str) -> None:
    with pytest.raises(NotMeasured, match=reason):
        metric.measure(texts, PROMPT)


@pytest.mark.parametrize("member", ["tiny:base", "tiny:aligned"])
def test_a_member_of_the_pair_is_refused(member: str) -> None:
    with pytest.raises(ConfigError, match=f"scorer '{member}' .* circular: name a third one"):
        Perplexity(member, ("tiny:base", "tiny:aligned")).measure([STORY], PROMPT)


def test_without_a_name_the_scorer_is_an_exported_one_that_did_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    default_scorer.cache_clear()
    with pytest.raises(NotMeasured, match=r"no third model is here.*option bundle"):
        Perplexity(pair=WRITER).measure([STORY], PROMPT)
    monkeypatch.setattr("baco_eval.models.scorer.DEFAULT_SCORERS", ("none", "tiny:base", "tiny:aligned"))
    default_scorer.cache_clear()
    named, chosen = Perplexity(JUDGE, WRITER), Perplexity(pair=WRITER)
    assert chosen.measure([STORY], PROMPT) == named.measure([STORY], PROMPT)
    assert default_scorer(("tiny:aligned", "tiny:base")) is None
    default_scorer.cache_clear()


def test_a_folder_with_the_name_of_a_default_scorer_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gemma3-smollm2").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BACO_CACHE", str(tmp_path / "cache"))  # where the bundle is not
    monkeypatch.setattr("baco_eval.models.scorer.DEFAULT_SCORERS", ("gemma3-smollm2:base", JUDGE))
    default_scorer.cache_clear()
    assert default_scorer(WRITER) == JUDGE
    default_scorer.cache_clear()


@pytest.mark.parametrize(
    ("pair", "references"),
    [
        (PairConfig(bundle="tiny"), ("tiny:base", "tiny:aligned")),
        (PairConfig(bundle=None, base="a", aligned="b:model"), ("a", "b:model")),
    ],
)
def test_a_pair_is_named_as_its_two_members(pair: PairConfig, references: tuple[str, ...]) -> None:
    assert writers(pair) == references


def test_a_writer_without_a_member_is_what_it_is_in_the_pair() -> None:
    with pytest.raises(ConfigError, match="scorer 'tiny:aligned' is"):
        Perplexity("tiny:aligned", ("tiny", "tiny")).measure([STORY], PROMPT)


def described(folder: Path, source: SourceRecord, weights: str) -> MemberReference:
    """Return the tiny bundle's base as it would be with another source and other weights."""
    manifest = read_bundle(folder).manifest
    member = replace(manifest.members["base"], source=source)
    files = {member.model: FileRecord(1, "graph"), f"{member.model}.data": FileRecord(1, weights)}
    changed = replace(manifest, members={"base": member}, files=files)
    return MemberReference(Bundle(folder, changed), "base")


SOURCE = SourceRecord("org/model", "1", "aa")


@pytest.mark.parametrize(
    ("source", "weights", "same"),
    [
        (SOURCE, "w2", True),
        (SourceRecord("Org/Model", "2", "bb"), "w2", True),  # the hub's name
        (SourceRecord("a.gguf", None, "aa"), "w2", True),  # the same file under another name
        (SourceRecord("org/other", None, None), "w1", True),  # the same weights
        (SourceRecord("org/other", None, "bb"), "w2", False),  # an equal graph says nothing
    ],
)
def test_a_member_is_known_by_its_source_or_its_weights(
    source: SourceRecord, weights: str, same: bool
) -> None:
    folder = load_plugins().bundles.get("tiny")
    one, two = described(folder, SOURCE, "w1"), described(folder, source, weights)
    if not same:
        refuse_same(one, two, "judge", "writer")
        return
    with pytest.raises(ConfigError, match=r"scorer 'judge' is 'org/model', which is also 'writer'"):
        refuse_same(one, two, "judge", "writer")


def test_folders_that_are_both_called_base_are_not_the_same() -> None:
    folder = load_plugins().bundles.get("tiny")
    one, two = (described(folder, SourceRecord("base"), weights) for weights in ("w1", "w2"))
    assert one.member == two.member
    refuse_same(one, two, "judge", "writer")
    with pytest.raises(ConfigError, match="which is also 'writer'"):  # the weights tell them apart
        refuse_same(one, one, "judge", "writer")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bundle": "tinny:base"}, LookUpError, "scorer: unknown bundle 'tinny'.*tiny"),
        ({"bundle": "tiny:model"}, BundleError, "no member 'model'"),
        ({"pair": ("tine:base",)}, LookUpError, r"pair\[0\]: unknown bundle"),
        ({"backend": "onnx"}, LookUpError, "unknown backend 'onnx'"),
        ({"window": 1}, ConfigError, "1 tokens at once"),
    ],
)
def test_a_scorer_that_cannot_be_opened_is_one_clear_line(options: Any, error: type, message: str) -> None:
    metric = Perplexity(**{"bundle": JUDGE, "pair": WRITER, **options})
    with pytest.raises(error, match=message) as caught:
        metric.measure([STORY], PROMPT)
    assert "\n" not in str(caught.value)
