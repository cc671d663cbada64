"""Tokenizers and templates of real bundles: set BACO_TEST_BUNDLES to a folder of bundles to run these."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.bundle import MANIFEST_NAME, read_bundle
from baco_core.errors import PromptError
from baco_core.prompts import PromptsConfig, aligned_context, as_messages, base_context
from baco_core.tokenizer import Tokenizer
from tests.text.made import CORPUS

FOLDER = os.environ.get("BACO_TEST_BUNDLES")
FOUND = sorted(Path(FOLDER).glob(f"*/{MANIFEST_NAME}")) if FOLDER else []
MEMBERS = [(path.parent, name) for path in FOUND for name in read_bundle(path.parent).manifest.members]

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not MEMBERS, reason="BACO_TEST_BUNDLES names no folder of bundles"),
]
every_member = pytest.mark.parametrize(
    ("folder", "member"), MEMBERS, ids=[f"{folder.name}-{name}" for folder, name in MEMBERS]
)
_opened: dict[tuple[Path, str], Tokenizer] = {}


def tokenizer(folder: Path, member: str) -> Tokenizer:
    """Open a member's tokenizer once."""
    if (folder, member) not in _opened:
        bundle = read_bundle(folder)
        record = bundle.member(member)
        _opened[folder, member] = Tokenizer.from_file(
            bundle.path(record.tokenizer),
            vocab_size=record.vocab_size,
            bos_ids=record.bos_ids,
            end_ids=record.end_ids,
        )
    return _opened[folder, member]


@every_member
@settings(max_examples=300, deadline=None)
@given(
    data=st.one_of(
        st.binary(), st.text().map(str.encode), st.lists(st.sampled_from(CORPUS)).map("".join).map(str.encode)
    )
)
def test_no_byte_is_lost(folder: Path, member: str, data: bytes) -> None:
    read = tokenizer(folder, member)
    missing = set(data) - {piece[0] for piece in read.vocabulary.pieces if len(piece) == 1}
    if missing:  # SmolLM2's vocabulary has no token for some control characters
        with pytest.raises(PromptError, match="|".join(f"0x{value:02X}" for value in missing)):
            read.encode_text(data)
    else:
        assert read.vocabulary.bytes_of(read.encode_text(data)) == data


@every_member
def test_a_large_vocabulary_is_read_quickly(folder: Path, member: str) -> None:
    _opened.pop((folder, member), None)
    before = time.process_time()
    assert tokenizer(folder, member).vocabulary.begins_word.any()
    assert time.process_time() - before < 10


@every_member
def test_both_contexts_can_be_written(folder: Path, member: str) -> None:
    read, bundle, messages = tokenizer(folder, member), read_bundle(folder), as_messages("Tell me a story.")
    record = bundle.member(member)
    assert "Tell me a story." in read.vocabulary.text_of(base_context(messages, PromptsConfig(), read))
    if record.chat_template is None:
        pytest.skip("this member has no chat template")
    template = bundle.path(record.chat_template).read_text("utf-8")
    token_ids = aligned_context(messages, PromptsConfig(), read, template, record.special_tokens)
    assert "Tell me a story." in read.vocabulary.text_of(token_ids)
    assert set(token_ids) & read.vocabulary.special_ids
