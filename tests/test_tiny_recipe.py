"""The recipe of the embedded pair: nothing held out is learnt, instructions fit their stories."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the recipe needs the export extra")
pytest.importorskip("transformers", reason="the recipe needs the export extra")

import torch
from tokenizers import Tokenizer

from recipes import base, evaluate
from recipes.augment import EXTRA_THINGS, Rates, replace_noun, swap_names, swap_thing, vary
from recipes.corpus import END_OF_TEXT, Corpus, load_corpus, seeded, without_leaks
from recipes.instructions import Pair, answer_batch, instruction_pairs, mended, stressed_batch
from recipes.network import (
    Shape,
    add_dropout,
    bits_per_byte,
    build_network,
    next_token_loss,
    snap_weights,
    warm_stable_decay,
)
from recipes.preferences import Choice, choice_batches, preference_loss, score, with_reference
from recipes.sampling import Answer, sample
from recipes.stream import batches
from recipes.subjects import Lexicon, build_lexicon, contains_thing, with_article
from recipes.vocabulary import END_OF_TURN, chat_prompt, train_tokenizer

_STORY = (
    "Once upon a time, in year {n}, there was a girl named {name}. {name} had a {thing}. The {thing} was red."
    "\n\nOn day {n}, the {thing} was in the {place}. {name} ran to the {place} in {n} steps. She saw the "
    '{thing} and said, "My {thing}!" Number {n} was a good day for {name}.'
)
_NAMES, _THINGS, _PLACES = ("Lily", "Sue", "Mia"), ("boat", "kite", "drum", "cake"), ("park", "garden")


def story(n: int) -> str:
    return _STORY.format(name=_NAMES[n % 3], thing=_THINGS[n % 4], place=_PLACES[n % 2], n=n)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of the project's layout with twenty small stories, two tales and a held-out text."""
    for folder in ("tinystories", "fairytaleqa"):
        (tmp_path / folder).mkdir()
    held_out = "\n\n".join(story(n) for n in (100, 101, 3))
    (tmp_path / "tinystories/tinystories_val_head.txt").write_text(held_out)
    stories = json.dumps([story(n) for n in range(20)])
    (tmp_path / "tinystories/tinystories_train_head_1000.json").write_text(stories)
    tales = f"There lived a king, and he had a horse.\n{END_OF_TEXT}\nThe fox said to the goose: come in."
    (tmp_path / "fairytaleqa/fairytales.txt").write_text(tales)
    return tmp_path


@pytest.fixture
def corpus(data: Path) -> Corpus:
    return load_corpus(data, development=2)


@pytest.fixture
def lexicon(corpus: Corpus) -> Lexicon:
    return build_lexicon(corpus.stories)


@pytest.fixture
def tokenizer(corpus: Corpus) -> Tokenizer:
    return train_tokenizer(corpus.stories, 300)


@pytest.fixture
def micro_shape(tokenizer: Tokenizer) -> Shape:
    return Shape(tokenizer.get_vocab_size(), 16, 1, 2, 1, 24, 64)


def test_no_training_text_stands_in_the_held_out_text(corpus: Corpus) -> None:
    assert story(3) not in (*corpus.stories, *corpus.development)
    assert len(corpus.stories) + len(corpus.development) == 19
    for document in (*corpus.stories, *corpus.tales, *corpus.development):
        assert document not in corpus.held_out


def test_a_story_that_shares_only_its_middle_with_the_held_out_text_is_dropped() -> None:
    shared = "the quick brown fox jumps over the lazy dog again and again until night falls on the hill, " * 3
    assert without_leaks(["x" * 130 + shared + "y" * 130, "z" * 300], "before " + shared) == ["z" * 300]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tinystories_val_head\.txt is missing"):
        load_corpus(tmp_path)


def test_salient_nouns_and_names_are_found(lexicon: Lexicon) -> None:
    assert set(lexicon.nouns_of(story(0))) == {"boat", "park"}
    assert lexicon.bearer_of(story(0)) == {"Lily": "girl"}
    assert lexicon.nouns_of(story(0), within=0.4) == ["boat"]


def test_a_swapped_noun_takes_the_right_article_case_and_plural() -> None:
    text = replace_noun("A boat and the boats. Boat! An old boat, a boathouse.", "boat", "owl")
    assert text == "An owl and the owls. Owl! An old owl, a boathouse."
    assert with_article("owl") == "an owl"
    assert with_article("snow") == "the snow"


def test_variants_depend_on_the_seed_alone(corpus: Corpus, lexicon: Lexicon) -> None:
    first, again = ([vary(s, lexicon, seeded("5"), Rates()) for s in corpus.stories] for _ in range(2))
    assert first == again


def test_names_are_swapped_all_through_the_story(lexicon: Lexicon) -> None:
    renamed = {swap_names(story(0), lexicon, seeded(str(seed))) for seed in range(9)}
    assert all("Lily" in text or text.count("Sue") == 4 or text.count("Mia") == 4 for text in renamed)
    assert len(renamed) == 3


def test_a_swapped_thing_stands_in_the_story_instead_of_the_old_one(lexicon: Lexicon) -> None:
    text, thing = swap_thing(story(0), lexicon, seeded("1"))
    assert thing is not None
    assert contains_thing(text, thing)
    assert not contains_thing(text, "boat") or not contains_thing(text, "park")


def test_instructions_name_something_their_story_contains(corpus: Corpus, lexicon: Lexicon) -> None:
    pairs = instruction_pairs(corpus, lexicon, longest=2000, seed=1, epoch=0)
    swapped = [pair for pair in pairs if pair.thing]
    assert swapped
    for pair in swapped:
        assert pair.thing is not None
        assert contains_thing(pair.instruction, pair.thing)
        assert contains_thing(pair.answer, pair.thing)


def test_only_the_answer_and_its_end_token_carry_loss(tokenizer: Tokenizer) -> None:
    ids, mask = answer_batch(tokenizer, [("Hi", "Hello there."), ("Tell me a story.", "Once.")])
    assert tokenizer.decode(ids[1][mask[1]].tolist(), skip_special_tokens=False) == "Once." + END_OF_TURN
    before = ids[1][: int(mask[1].int().argmax())].tolist()
    assert tokenizer.decode(before, skip_special_tokens=False) == chat_prompt("Tell me a story.")


def test_the_tokens_that_name_the_thing_weigh_more(tokenizer: Tokenizer) -> None:
    pair = Pair("Tell me a story about a kite.", "A kite flew. The kites sang.", "kite")
    ids, weights = stressed_batch(tokenizer, [pair], stress=4.0)
    stressed = tokenizer.decode(ids[0][weights[0] == 4.0].tolist())
    assert stressed.replace(" ", "") in ("kitekite", "kitekites")
    assert set(weights[0].tolist()) == {0.0, 1.0, 4.0}


def test_wrongly_decoded_quotation_marks_are_mended() -> None:
    assert mended("â€œItâ€™s red,â€\x9d she said.") == '"It\'s red," she said.'


def test_rows_repeat_for_the_same_seed(corpus: Corpus, tokenizer: Tokenizer, lexicon: Lexicon) -> None:
    def rows(seed: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
        shapes = [(3, 16), (3, 16), (1, 32)]
        return list(batches(corpus, tokenizer, lexicon, shapes=shapes, story_share=0.6, seed=seed))

    assert [row.shape for row in rows(1)] == [(3, 17), (3, 17), (1, 33)]
    assert all(np.array_equal(one, other) for one, other in zip(rows(1), rows(1), strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(rows(1), rows(2), strict=True))


def test_bits_per_byte_do_not_depend_on_the_batch(tokenizer: Tokenizer, micro_shape: Shape) -> None:
    network = build_network(micro_shape, seed=0)
    text = story(1) * 2

    def bits(window: int, batch: int) -> float:
        return bits_per_byte(
            network, lambda part: list(tokenizer.encode(part).ids), text, window=window, batch=batch
        )

    assert bits(32, 1) == pytest.approx(bits(32, 7), rel=1e-5)
    tokens = len(tokenizer.encode(text).ids)
    uniform = tokens * np.log2(micro_shape.vocab_size) / len(text)
    assert bits(32, 4) == pytest.approx(uniform, rel=0.05)


def test_dropout_acts_in_training_only(micro_shape: Shape) -> None:
    network = build_network(micro_shape, seed=0)
    add_dropout(network, 0.5)
    rows = torch.arange(20).reshape(2, 10)
    network.train()
    assert next_token_loss(network, rows) != next_token_loss(network, rows)
    network.eval()
    assert next_token_loss(network, rows) == next_token_loss(network, rows)


def test_the_rate_rises_stays_and_falls() -> None:
    shares = [warm_stable_decay(step, 1000) for step in range(1000)]
    assert shares[0] < shares[20] < shares[40] == shares[500] == 1.0 > shares[700] > shares[999] > 0


def test_snapped_weights_are_their_own_compact_form(micro_shape: Shape) -> None:
    network = build_network(micro_shape, seed=0)
    snap_weights(network)
    once = {name: weight.clone() for name, weight in network.state_dict().items()}
    snap_weights(network)
    assert all(torch.equal(weight, once[name]) for name, weight in network.state_dict().items())


def test_sampling_repeats_for_a_seed_and_does_not_depend_on_padding(
    tokenizer: Tokenizer, micro_shape: Shape
) -> None:
    network = build_network(micro_shape, seed=0)

    def texts(prompts: list[str], top_p: float = 0.9) -> list[str]:
        answers = sample(network, tokenizer, prompts, ends={0}, seed=3, max_new=8, top_p=top_p)
        return [answer.text for answer in answers]

    assert texts(["One", "A girl named"]) == texts(["One", "A girl named"])
    assert texts(["One", "A girl named"], 1e-9)[0] == texts(["One"], 1e-9)[0]


def test_answers_that_do_as_asked_rank_first() -> None:
    words = " ".join(f"there was boat {n}" for n in range(20))
    follows = Answer("", (), words, finished=True)
    strays = Answer("", (), words.replace("boat", "cake"), finished=True)
    endless = Answer("", (), words, finished=False)
    assert score(follows, "boat", -2.5) > 0 > max(score(strays, "boat", -1.0), score(endless, "boat", -1.0))


def test_preference_loss_falls_when_the_better_answer_gains(tokenizer: Tokenizer, micro_shape: Shape) -> None:
    network = build_network(micro_shape, seed=0)
    network.eval()
    choices = with_reference(network, tokenizer, [Choice("A boat?", "The boat was red.", "The park.")])
    batch = next(choice_batches(tokenizer, choices, steps=1, size=1, seed=0))
    loss = preference_loss(network, batch, beta=0.1, anchor=0.0)
    assert loss.item() == pytest.approx(np.log(2), abs=1e-3)
    loss.backward()
    with torch.no_grad():
        for weight in network.parameters():
            weight -= 0.05 * weight.grad
    assert preference_loss(network, batch, beta=0.1, anchor=0.0) < loss


def test_new_things_are_in_no_instruction() -> None:
    assert not set(evaluate.NEW_THINGS) & {*EXTRA_THINGS, *evaluate.KNOWN_THINGS}
    assert len(evaluate.NEW_THINGS) == len(evaluate.KNOWN_THINGS) == 20


def test_equal_answers_have_no_distance_and_different_ones_all() -> None:
    one, other = Answer("", (), "a b c d", True), Answer("", (), "e f g h", True)
    assert evaluate.pairwise_distance([one, one]) == 0
    assert evaluate.pairwise_distance([one, other]) == 1
    assert evaluate.distinct_bigrams([one, one]) == 0.5


@pytest.mark.slow
def test_two_steps_write_a_model_that_generates_and_goes_on(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [
        "--data",
        str(data),
        "--out",
        str(out),
        "--vocabulary",
        "280",
        "--width",
        "16",
        "--layers",
        "1",
    ]
    arguments += ["--heads", "2", "--inner", "24", "--tokens", "32", "--context", "16", "--workers", "1"]
    base.main([*arguments, "--steps", "2", "--check-every", "1"])
    base.main([*arguments, "--steps", "3", "--check-every", "1"])
    steps = [json.loads(line)["step"] for line in (out / "work/base.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == [0, 1, 2]
    assert json.loads((out / "base/generation_config.json").read_text())["eos_token_id"] == [0]
    template = json.loads((out / "base/tokenizer_config.json").read_text())["chat_template"]
    assert "<|im_start|>" in template
