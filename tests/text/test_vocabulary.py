"""Vocabularies: where words begin, and which tokens open with a space."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.vocabulary import Vocabulary, begins_word
from tests.text.made import KINDS, tokenizer

SCRIPTS = "aé ▁'’_.-\n\t9ßҐع中ひ한ไ🙂\u0301\u200d\x00"


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.one_of(st.binary(max_size=6), st.text(SCRIPTS, max_size=3).map(str.encode))))
def test_the_mask_says_of_each_piece_what_the_rule_says(pieces: list[bytes]) -> None:
    mask = Vocabulary(tuple(pieces)).begins_word
    assert mask.tolist() == [begins_word(piece) for piece in pieces]


@pytest.mark.parametrize("lead", range(256))
def test_every_first_byte_is_judged_alike_with_and_without_the_rest(lead: int) -> None:
    pieces = tuple(bytes([lead, *rest]) for rest in ([], [0x80], [0xBF, 0x80], [0x90, 0x80, 0x80], [0x20]))
    assert Vocabulary(pieces).begins_word.tolist() == [begins_word(piece) for piece in pieces]


@pytest.mark.parametrize("kind", KINDS)
def test_special_and_end_tokens_begin_words(kind: str) -> None:
    vocabulary = tokenizer(kind).vocabulary
    assert all(vocabulary.begins_word[number] for number in vocabulary.special_ids | vocabulary.end_ids)


def test_the_mask_cannot_be_written_to() -> None:
    mask = tokenizer("byte_level").vocabulary.begins_word
    assert not mask.flags.writeable


def test_the_mask_of_a_large_vocabulary_is_made_in_well_under_a_second() -> None:
    pieces = tuple(chr(0x20 + i % 50_000).encode("utf-8", "replace") + b"%d" % i for i in range(262_144))
    before = time.process_time()
    assert Vocabulary(pieces).begins_word.size == 262_144
    assert time.process_time() - before < 1.0


def test_tokens_that_open_with_a_space_are_found() -> None:
    vocabulary = Vocabulary((b" a", b"a", b" ", b"", b"  b", b"\n "))
    assert vocabulary.opens_with(b" ").tolist() == [True, False, True, False, True, False]
    assert vocabulary.opens_with(b"").all()
