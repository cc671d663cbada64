"""Tokenizers: no byte is lost, prompts are read as their makers read them, damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from baco_core.errors import BundleError, PromptError
from baco_core.tokenizer import Tokenizer as Read
from baco_core.tokenizer import same_vocabulary, vocabulary_difference
from baco_core.tokenizer_file import byte_alphabet
from tests.text.made import (
    CORPUS,
    END,
    KINDS,
    SPECIAL,
    UNKNOWN,
    byte_level,
    metaspace,
    opened,
    saved,
    sentence_piece,
    tokenizer,
    two_letters,
)

every_kind = pytest.mark.parametrize("kind", KINDS)
WORDS = st.sampled_from(
    [
        " the",
        "light",
        "house",
        " 🙂",
        "café",
        "\n",
        "   ",
        "  ",
        "▁",
        "<|end|>",
        "<s>",
        "<unk>",
        "<0x41>",
        "é!",
        "e\u0301",
        "ﬁ",
        "3",
        "A",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS).map("".join))
BYTES = st.one_of(
    st.binary(),
    TEXTS.map(str.encode),
    st.tuples(TEXTS, st.binary(max_size=4), TEXTS).map(
        lambda parts: parts[0].encode() + parts[1] + parts[2].encode()
    ),
)


@every_kind
@settings(max_examples=300, deadline=None)
@given(data=BYTES)
def test_what_is_encoded_writes_exactly_the_same_bytes(kind: str, data: bytes) -> None:
    read = tokenizer(kind)
    token_ids = read.encode_text(data)
    assert read.vocabulary.bytes_of(token_ids) == data
    assert not set(token_ids) & read.vocabulary.special_ids


@every_kind
@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_the_same_text_gives_the_same_tokens(kind: str, text: str) -> None:
    read = tokenizer(kind)
    assert read.encode_text(text.encode()) == read.encode_text(text.encode())
    assert read.encode_context(text) == read.encode_context(text)


@every_kind
@pytest.mark.parametrize("text", CORPUS)
def test_generated_text_is_read_in_few_tokens(kind: str, text: str) -> None:
    token_ids = tokenizer(kind).encode_text(text.encode())
    if kind != "unigram":  # whose vocabulary is nearly bytes alone
        assert len(token_ids) < 0.75 * len(text.encode())


@every_kind
def test_a_word_that_goes_on_gets_no_space_before_it(kind: str) -> None:
    read = tokenizer(kind)
    assert read.vocabulary.text_of(read.encode_text(b"light")) == "light"
    assert read.vocabulary.text_of(read.encode_text(b" light")) == " light"


def test_text_that_looks_like_a_special_token_stays_text() -> None:
    read = tokenizer("byte_level")
    assert END in read.encode_context("a<|end|>")
    assert END not in read.encode_text(b"a<|end|>")


@every_kind
@settings(max_examples=60, deadline=None)
@given(text=st.lists(st.one_of(WORDS, st.text(max_size=5))).map("".join))
def test_prompts_are_read_as_the_library_reads_them(kind: str, text: str) -> None:
    made = KINDS[kind]()
    made.no_truncation()
    assert tokenizer(kind).encode_context(text) == made.encode(text, add_special_tokens=False).ids


@every_kind
@given(text=TEXTS, most=st.integers(1, 8))
def test_a_text_that_exceeds_a_number_of_tokens_has_more(kind: str, text: str, most: int) -> None:
    made, long = tokenizer(kind), text * 20
    try:
        count = len(made.encode_context(long))
        exceeds = made.exceeds(long, most)
    except PromptError:  # a character that the vocabulary cannot write
        return
    assert not exceeds or count > most


@every_kind
def test_a_long_text_is_read_as_a_short_one_and_seen_to_be_long(kind: str) -> None:
    made, text = tokenizer(kind), " the light house" * 2000
    assert made.encode_context(text) == made._prompts.encode(text, add_special_tokens=False).ids
    assert made.exceeds(text, 100)
    assert not made.exceeds(text, len(text))


def test_a_file_that_asks_for_truncation_cuts_no_prompt() -> None:
    assert len(tokenizer("normalising").encode_context("one two three four five six")) > 4


@every_kind
def test_a_prompts_tokens_write_what_the_library_decodes(kind: str) -> None:
    read, made = tokenizer(kind), KINDS[kind]()
    made.no_truncation()
    for text in CORPUS:
        token_ids = read.encode_context(text)
        assert read.vocabulary.text_of(token_ids).lstrip() == made.decode(token_ids).lstrip()


@every_kind
def test_special_tokens_and_padding_write_nothing(kind: str) -> None:
    vocabulary = tokenizer(kind).vocabulary
    named = KINDS[kind]().get_vocab_size()
    assert vocabulary.size == named + 7
    assert vocabulary.special_ids >= {0, 1, 2, *range(named, named + 7)}
    assert all(vocabulary.pieces[number] == b"" for number in vocabulary.special_ids)
    assert vocabulary.end_ids == {END}


def test_added_tokens_that_are_not_special_write_their_text() -> None:
    for kind, text, written in (
        ("byte_level", "   ", "   "),
        ("byte_level", "é!", "é!"),
        ("metaspace", "▁▁▁▁", "    "),
        ("metaspace", "\n\n", "\n\n"),
    ):
        number = KINDS[kind]().token_to_id(text)
        assert tokenizer(kind).vocabulary.pieces[number] == written.encode()


def test_the_byte_alphabet_is_the_librarys() -> None:
    assert sorted(byte_alphabet()) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert byte_alphabet()[ord(" ")] == "Ġ"
    assert byte_alphabet()[0x0A] == "Ċ"


def test_end_and_bos_ids_and_named_tokens_are_special_though_the_file_does_not_say_so() -> None:
    made = byte_level()
    made.add_tokens(["<|turn|>", "<|stop|>"])
    turn, stop = made.token_to_id("<|turn|>"), made.token_to_id("<|stop|>")
    read = opened(
        made, end_ids=[stop], bos_ids=[1], special_tokens={"turn_token": "<|turn|>", "gone": "<|gone|>"}
    )
    assert read.vocabulary.special_ids >= {turn, stop, 1}
    assert read.bos_ids == (1,)
    assert read.vocabulary.text_of(read.encode_text(b"<|stop|>")) == "<|stop|>"


def test_dropout_in_the_file_does_not_make_tokens_random() -> None:
    made = byte_level()
    made.model.dropout = 0.5
    read = opened(made)
    assert len({tuple(read.encode_text(b"The lighthouse stood")) for _ in range(20)}) == 1


def test_bytes_outside_the_vocabulary_are_named() -> None:
    read = opened(two_letters(), end_ids=[])
    assert read.vocabulary.bytes_of(read.encode_text(b"abba")) == b"abba"
    with pytest.raises(PromptError, match=r"cannot write 'é' \(byte 0xC3\)"):
        read.encode_text("abé".encode())
    with pytest.raises(PromptError, match=r"byte 0xFF"):
        read.encode_text(b"ab\xff")


def test_what_another_model_wrote_is_heard_as_far_as_the_vocabulary_goes() -> None:
    read = opened(two_letters(), end_ids=[])
    assert read.vocabulary.bytes_of(read.hear("abéb\x00a".encode() + b"\xffb")) == b"abbab"
    assert read.hear(b"abba") == read.encode_text(b"abba")


def test_a_prompt_with_a_character_outside_the_vocabulary_is_refused_and_not_cut() -> None:
    with pytest.raises(PromptError, match="cannot write 'é' of the prompt"):
        opened(two_letters(), end_ids=[]).encode_context("abé")


def test_a_prompt_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(PromptError, match="not valid UTF-8 at character 1"):
        tokenizer("byte_level").encode_context("a\udcff")


def test_a_special_token_beyond_the_models_row_is_refused_only_where_it_is_used() -> None:
    made = byte_level()
    size = made.get_vocab_size()
    made.add_special_tokens(["<image>"])  # as in Gemma 3's tokenizer
    read = opened(made, vocab_size=size)
    assert read.vocabulary.size == size
    with pytest.raises(PromptError, match="'<image>' in the prompt is a token this model does not have"):
        read.encode_context("see <image>")
    assert read.vocabulary.text_of(read.encode_text(b"<image>")) == "<image>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a tokenizer.json that can be read"),
        (b"[]", "not a tokenizer.json that can be read"),
        (b'{"model": {"type": "BPE", "vocab": {}}}', "not a tokenizer.json that can be read"),
        (b"\xff\xfe", "not a tokenizer.json that can be read"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=message) as caught:
        Read.from_file(path, vocab_size=10)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot read the tokenizer"):
        Read.from_file(tmp_path / "none.json", vocab_size=10)


def test_a_tokenizer_wider_than_the_model_is_refused() -> None:
    with pytest.raises(BundleError, match="does the tokenizer belong to this model"):
        opened(byte_level(), vocab_size=300)


def test_an_end_token_outside_the_row_is_refused() -> None:
    with pytest.raises(BundleError, match="token 9999 is outside"):
        opened(byte_level(), end_ids=[9999])


def test_a_kind_of_tokenizer_that_is_not_known_is_named() -> None:
    made = Tokenizer(models.WordPiece({UNKNOWN: 0, "a": 1, "##b": 2}, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.decoder = decoders.WordPiece()
    with pytest.raises(BundleError, match="decoder WordPiece is not supported"):
        opened(made, end_ids=[])


def test_old_files_without_a_model_type_and_with_joined_merges_are_read(tmp_path: Path) -> None:
    path = saved(byte_level(), tmp_path)
    data = json.loads(path.read_text("utf-8"))
    del data["model"]["type"]
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    path.write_text(json.dumps(data), "utf-8")
    read = Read.from_file(path, vocab_size=500, end_ids=[END])
    assert read.encode_text(b"The lighthouse") == tokenizer("byte_level").encode_text(b"The lighthouse")


def test_the_same_tokenizer_twice_exchanges_ids() -> None:
    assert vocabulary_difference(opened(byte_level()), opened(byte_level())) == ""
    assert same_vocabulary(opened(byte_level()), opened(byte_level()))


def test_special_tokens_may_have_other_names() -> None:
    base, aligned = byte_level(), byte_level()
    base.add_special_tokens(["<|reserved|>"])
    aligned.add_special_tokens(["<|turn|>"])
    assert same_vocabulary(opened(base), opened(aligned))


def test_an_added_special_token_fits_into_the_padding_of_the_other_row() -> None:
    base, aligned = byte_level(), byte_level()
    aligned.add_special_tokens(["<|turn|>"])
    size = aligned.get_vocab_size()
    assert same_vocabulary(opened(base, vocab_size=size), opened(aligned, vocab_size=size))
    assert vocabulary_difference(opened(base), opened(aligned)) == (
        f"their rows are {size - 1} (base) and {size} (aligned) tokens wide"
    )


def test_the_first_token_that_differs_is_named() -> None:
    base, aligned = byte_level(), byte_level()
    base.add_tokens(["one", "two"])
    aligned.add_tokens(["one", "TWO"])
    difference = vocabulary_difference(opened(base), opened(aligned))
    assert difference == f"token {base.token_to_id('two')} writes 'two' (base) and 'TWO' (aligned)"
    assert not same_vocabulary(opened(base), opened(aligned))


def test_the_end_of_one_may_be_text_to_the_other() -> None:
    made = byte_level()
    made.add_tokens(["<|im_end|>"])
    end = made.token_to_id("<|im_end|>")
    assert same_vocabulary(opened(made), opened(made, end_ids=[END, end]))


def test_two_kinds_do_not_exchange_ids() -> None:
    assert not same_vocabulary(tokenizer("sentence_piece"), tokenizer("metaspace"))


def test_normalised_added_tokens_are_found_in_generated_text_too() -> None:
    made = sentence_piece()
    made.add_tokens([AddedToken("lighthouse", normalized=True)])
    read = opened(made)
    assert read.encode_text(b"lighthouse") == [made.token_to_id("lighthouse")]


def test_gemmas_kind_reads_runs_of_spaces_as_one_token() -> None:
    made = metaspace()
    made.pre_tokenizer = None
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    read = opened(made)
    assert read.vocabulary.text_of(read.encode_text(b"a    b")) == "a    b"
    assert SPECIAL[2] in read.special_texts
