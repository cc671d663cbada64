from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from baco_core.bundle import SourceRecord
from baco_core.errors import ExportError
from baco_exporters.fetch import Fetched
from baco_exporters.text_side import TextSide, text_side
from tests.exporters.made_gguf import byte_level, sentence_piece
from tests.exporters.made_models import TEMPLATE, byte_tokenizer, transformers


def of(path: Path) -> TextSide:
    return text_side(Fetched("gguf" if path.is_file() else "folder", path, SourceRecord(path.name)))


def folder_with(folder: Path, *, added: tuple[str, ...] = (), **values: Any) -> Path:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens(list(added))
    names = {"bos_token": "<s>", "eos_token": "</s>"} | values
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    (folder / "config.json").write_text('{"eos_token_id": 257}', "utf-8")
    return folder


def test_a_folder_states_its_ends_in_four_places(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, added=("<|im_end|>",))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [11, 12]}), "utf-8")
    (folder / "config.json").write_text(json.dumps({"eos_token_id": 13}), "utf-8")
    assert of(folder).end_ids == (11, 12, 13, 257, 258)


def test_ends_that_are_null_are_none(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, eos_token=None)
    (folder / "config.json").write_text(json.dumps({"eos_token_id": None}), "utf-8")
    assert of(folder).end_ids == (257,)  # </s> is a special token that everyone ends with


def test_bos_is_what_the_tokenizer_itself_puts_first(tmp_path: Path) -> None:
    assert of(folder_with(tmp_path)).bos_ids == (256,)


def test_a_tokenizer_encodes_without_bos(tmp_path: Path) -> None:
    ids = of(folder_with(tmp_path)).encode("ab")
    assert len(ids) == 2
    assert 256 not in ids


def test_the_template_is_kept_as_it_is(tmp_path: Path) -> None:
    assert of(folder_with(tmp_path, chat_template=TEMPLATE)).chat_template == TEMPLATE


def test_no_template_is_none(tmp_path: Path) -> None:
    assert of(folder_with(tmp_path)).chat_template is None


def test_of_several_templates_the_default_is_taken(tmp_path: Path) -> None:
    templates = {"default": TEMPLATE, "tool_use": "{{ tools }}"}
    assert of(folder_with(tmp_path, chat_template=templates)).chat_template == TEMPLATE


def test_several_templates_without_a_default_are_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, chat_template={"a": "x", "b": "y"})
    with pytest.raises(ExportError, match=r"chat templates \['a', 'b'\], but none is named 'default'"):
        of(folder)


def test_a_broken_generation_config_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path)
    (folder / "generation_config.json").write_text("[1", "utf-8")
    with pytest.raises(ExportError, match=r"generation_config\.json: cannot be read as JSON"):
        of(folder)


def test_a_gguf_file_states_its_ends_and_end_texts(tmp_path: Path) -> None:
    path = byte_level(
        tmp_path / "a.gguf", ["t h"], tokenizer__ggml__eot_token_id=257, tokenizer__chat_template="{{ x }}"
    )
    found = of(path)
    assert found.end_ids == (258, 257)  # <|im_end|>, and what the file calls end of turn
    assert found.special_tokens == {"bos_token": "<|start|>", "eos_token": "<|im_end|>"}
    assert found.chat_template == "{{ x }}"


@pytest.mark.parametrize(
    ("values", "bos"),
    [
        ({"tokenizer__ggml__pre": "gpt-2"}, ()),
        ({"tokenizer__ggml__pre": "llama-bpe"}, (257,)),
        ({"tokenizer__ggml__pre": "llama-bpe", "tokenizer__ggml__add_bos_token": False}, ()),
        ({"tokenizer__ggml__pre": "gpt-2", "tokenizer__ggml__add_bos_token": True}, (257,)),
    ],
)
def test_bos_of_a_byte_level_gguf(tmp_path: Path, values: dict[str, object], bos: tuple[int, ...]) -> None:
    assert of(byte_level(tmp_path / "a.gguf", ["t h"], **values)).bos_ids == bos


@pytest.mark.parametrize(("stated", "bos"), [({}, (1,)), ({"tokenizer__ggml__add_bos_token": False}, ())])
def test_sentence_piece_begins_with_bos_unless_told_otherwise(
    tmp_path: Path, stated: dict[str, object], bos: tuple[int, ...]
) -> None:
    assert of(sentence_piece(tmp_path / "a.gguf", ["a"], **stated)).bos_ids == bos
