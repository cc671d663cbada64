from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ExportError
from baco_exporters.gguf_file import read_gguf
from baco_exporters.gguf_tokenizer import SPACE, build_tokenizer, scored_merges
from baco_exporters.pretokenizers import PRE_TOKENIZERS
from tests.exporters.made_gguf import byte_level, sentence_piece, write_gguf

PIECES = [f"{SPACE}t", "he", f"{SPACE}the", "ab", "aba", "aa", "aaa", "bab", f"{SPACE}{SPACE}", "é", "th"]
LETTERS = [SPACE, *"abthe"]
FIRST_PIECE = 259


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizers")


def ids(path: Path, text: str, *, special_as_text: bool = False) -> list[int]:
    tokenizer = build_tokenizer(read_gguf(path))
    tokenizer.encode_special_tokens = special_as_text
    found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return found


def joined_by_score(text: str, pieces: Sequence[str]) -> list[str]:
    """SentencePiece's rule, word for word: again and again join the neighbours whose joint scores best."""
    symbols = list(text.replace(" ", SPACE))
    while True:
        joints = [a + b for a, b in pairwise(symbols)]
        pairs = [(pieces.index(joint), at) for at, joint in enumerate(joints) if joint in pieces]
        if not pairs:
            return symbols
        _, at = min(pairs)
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


@given(st.text("abthe ", max_size=40))
def test_the_highest_score_is_joined_first_as_sentence_piece_does(folder: Path, text: str) -> None:
    path = folder / "scored.gguf"
    if not path.exists():
        sentence_piece(path, PIECES + LETTERS)
    known = PIECES + LETTERS
    assert ids(path, text) == [FIRST_PIECE + known.index(symbol) for symbol in joined_by_score(text, known)]


def test_merges_are_every_split_best_result_first() -> None:
    scores = {"a": -4.0, "b": -5.0, "ab": -3.0, "ba": -2.0, "aba": -1.0}
    assert scored_merges(scores) == [("a", "ba"), ("ab", "a"), ("b", "a"), ("a", "b")]


def test_what_is_not_in_the_vocabulary_becomes_bytes(folder: Path) -> None:
    path = sentence_piece(folder / "bytes.gguf", LETTERS)
    assert ids(path, "aß") == [FIRST_PIECE + 1, 3 + 0xC3, 3 + 0x9F]


@given(st.text(max_size=30))
def test_a_text_comes_back_whole(folder: Path, text: str) -> None:
    for path, write in (("spm.gguf", sentence_piece), ("bpe.gguf", byte_level)):
        file = folder / path
        if not file.exists():
            write(file, PIECES + LETTERS if write is sentence_piece else ["t h", "th e"])
        tokenizer = build_tokenizer(read_gguf(file))
        tokenizer.encode_special_tokens = True
        encoded = tokenizer.encode(text.replace(SPACE, ""), add_special_tokens=False).ids
        assert tokenizer.decode(encoded, skip_special_tokens=False) == text.replace(SPACE, "")


def test_a_space_is_put_first_where_the_file_says_so(folder: Path) -> None:
    path = sentence_piece(folder / "prefix.gguf", [*PIECES, *LETTERS], tokenizer__ggml__add_space_prefix=True)
    tokenizer = build_tokenizer(read_gguf(path))
    assert tokenizer.encode("the").tokens == [f"{SPACE}the"]
    assert tokenizer.decode(tokenizer.encode("the aba").ids) == "the aba"


def test_control_tokens_are_read_as_such_or_as_text(folder: Path) -> None:
    path = sentence_piece(folder / "control.gguf", [*PIECES, *LETTERS, "<", ">", "s", "/"])
    assert ids(path, "a</s>")[-1] == 2
    assert 2 not in ids(path, "a</s>", special_as_text=True)


def test_user_defined_tokens_are_always_whole(folder: Path) -> None:
    path = sentence_piece(folder / "user.gguf", PIECES + LETTERS)
    user = FIRST_PIECE + len(PIECES + LETTERS)
    assert ids(path, "a<user>b") == [FIRST_PIECE + len(PIECES) + 1, user, FIRST_PIECE + len(PIECES) + 2]
    assert user in ids(path, "a<user>b", special_as_text=True)


def test_byte_level_merges_are_followed(folder: Path) -> None:
    path = byte_level(folder / "merges.gguf", ["t h", "th e", "Ġ the"])
    assert build_tokenizer(read_gguf(path)).encode("the the").tokens == ["the", "Ġthe"]


def test_digits_are_cut_as_the_pre_tokenizer_says(folder: Path) -> None:
    merges = ["1 2", "12 3"]
    together = byte_level(folder / "together.gguf", merges, tokenizer__ggml__pre="gpt-2")
    apart = byte_level(folder / "apart.gguf", merges, tokenizer__ggml__pre="smollm")
    assert build_tokenizer(read_gguf(together)).encode("123").tokens == ["123"]
    assert build_tokenizer(read_gguf(apart)).encode("123").tokens == ["1", "2", "3"]


@pytest.mark.parametrize("name", sorted(PRE_TOKENIZERS))
@given(text=st.text(max_size=30))
def test_no_pre_tokenizer_loses_a_character(folder: Path, name: str, text: str) -> None:
    path = folder / f"pre-{name}.gguf"
    if not path.exists():
        byte_level(path, ["t h"], tokenizer__ggml__pre=name)
    tokenizer = build_tokenizer(read_gguf(path))
    tokenizer.encode_special_tokens = True
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"tokenizer__ggml__model": "bert"}, "tokenizer.ggml.model 'bert' is not known; known: gpt2, llama"),
        ({"tokenizer__ggml__pre": "smolm"}, "Did you mean 'smollm'?"),
        ({"tokenizer__ggml__merges": ["ab"]}, "merge 'ab' is not two pieces"),
        ({"tokenizer__ggml__token_type": [1, 1]}, "tokens and token types differ in number"),
    ],
)
def test_a_tokenizer_that_cannot_be_built_is_named(
    folder: Path, values: dict[str, object], reason: str
) -> None:
    path = byte_level(folder / "bad.gguf", ["t h"], **values)
    with pytest.raises(ExportError, match=reason):
        build_tokenizer(read_gguf(path))


def test_a_vocabulary_with_a_token_twice_is_refused(folder: Path) -> None:
    path = sentence_piece(folder / "twice.gguf", ["a", "b", "a"])
    with pytest.raises(ExportError, match="holds a token twice"):
        build_tokenizer(read_gguf(path))


def test_a_file_without_a_vocabulary_is_refused(folder: Path) -> None:
    path = write_gguf(folder / "none.gguf", tokenizer__ggml__model="gpt2")
    with pytest.raises(ExportError, match=r"has no 'tokenizer.ggml.merges'"):
        build_tokenizer(read_gguf(path))
