"""Prompts: one conversation, two contexts; every mistake is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.config import config_data, config_from_data, load_config
from baco_core.errors import ConfigError, PromptError
from baco_core.prompts import (
    Example,
    Message,
    PromptsConfig,
    aligned_context,
    as_messages,
    base_context,
    base_lead,
    base_text,
)
from tests.text.made import END, byte_level, opened, tokenizer, two_letters
from tests.text.templates import CHATML, TEMPLATES

ASK = as_messages("Name a colour.")
TALK = (
    Message("system", "Be brief."),
    Message("user", "Name a colour."),
    Message("assistant", "Blue."),
    Message("user", "Another."),
)
PLAIN = PromptsConfig(base="plain", aligned="plain")


def test_the_default_asks_a_question() -> None:
    assert base_text(ASK, PromptsConfig()) == "Question: Name a colour.\nAnswer: "


def test_a_conversation_becomes_questions_with_their_answers() -> None:
    assert base_text(TALK, PromptsConfig()) == (
        "Be brief.\n\nQuestion: Name a colour.\nAnswer: Blue.\n\nQuestion: Another.\nAnswer: "
    )


def test_plain_is_the_prompt_and_nothing_else() -> None:
    assert base_text(as_messages("Once upon"), PLAIN) == "Once upon"
    assert base_text(TALK, PLAIN) == "Be brief.\n\nName a colour.\n\nBlue.\n\nAnother."


def test_examples_come_before_the_question() -> None:
    config = PromptsConfig(
        base="few-shot", examples=(Example("Name a tree.", "Oak."),), system="Short answers."
    )
    assert base_text(ASK, config) == (
        "Short answers.\n\nQuestion: Name a tree.\nAnswer: Oak.\n\nQuestion: Name a colour.\nAnswer: "
    )


def test_a_template_of_ones_own_keeps_its_other_braces() -> None:
    config = PromptsConfig(base="template", base_template="{x} {prompt}\n=> ", examples=(Example("a", "b"),))
    assert base_text(as_messages("a {prompt} {0}"), config) == "{x} a\n=> b\n\n{x} a {prompt} {0}\n=> "


def test_the_systems_message_stands_in_both_contexts() -> None:
    config, read = PromptsConfig(system="Be brief."), tokenizer("byte_level")
    assert base_text(ASK, config).startswith("Be brief.\n\n")
    aligned = aligned_context(ASK, config, read, CHATML, {})
    assert read.vocabulary.text_of(aligned).startswith("<|im_start|>system\nBe brief.<|im_end|>")


def test_a_conversation_that_brings_its_own_system_message_keeps_it() -> None:
    assert "Be long." not in base_text(TALK, PromptsConfig(system="Be long."))


def test_the_chat_template_writes_the_aligned_context() -> None:
    read = tokenizer("byte_level")
    token_ids = aligned_context(
        ASK, PromptsConfig(), read, "{{ end_token }}{{ messages[0].content }}|", {"end_token": "<|end|>"}
    )
    assert token_ids == [END, *read.encode_context("Name a colour.|")]


def test_the_date_of_the_config_reaches_the_template() -> None:
    config, read = PromptsConfig(today=date(2024, 7, 26)), tokenizer("byte_level")
    token_ids = aligned_context(ASK, config, read, TEMPLATES["llama3"], {})
    assert "Today: 26 Jul 2024" in read.vocabulary.text_of(token_ids)


def test_contexts_without_a_chat_template_start_with_bos() -> None:
    read = opened(byte_level(), bos_ids=[1])
    assert base_context(ASK, PromptsConfig(), read)[0] == 1
    assert aligned_context(ASK, PLAIN, read, None, {})[0] == 1
    assert 1 not in aligned_context(ASK, PromptsConfig(), read, CHATML, {})


@pytest.mark.parametrize("kind", ["byte_level", "sentence_piece", "metaspace"])
def test_the_space_at_the_end_is_left_to_the_first_word(kind: str) -> None:
    read, config = tokenizer(kind), PromptsConfig()
    token_ids = base_context(ASK, config, read)
    assert base_lead(ASK, config, read) == b" "
    assert token_ids == read.encode_context("Question: Name a colour.\nAnswer:")
    whole = read.vocabulary.bytes_of(token_ids) + base_lead(ASK, config, read)
    assert whole.decode().strip(" ") + " " == base_text(ASK, config)


def test_of_several_spaces_only_the_last_is_left() -> None:
    read = tokenizer("byte_level")
    messages = as_messages("Once   ")
    assert read.vocabulary.text_of(base_context(messages, PLAIN, read)) == "Once  "
    assert base_lead(messages, PLAIN, read) == b" "


def test_an_aligned_context_is_read_as_it_stands() -> None:
    read = tokenizer("byte_level")
    assert aligned_context(as_messages("Once "), PLAIN, read, None, {}) == read.encode_context("Once ")


@pytest.mark.parametrize("prompt", ["Once", "Once\n", "Once\u00a0"])
def test_a_context_that_does_not_end_with_a_space_is_read_whole(prompt: str) -> None:
    read = tokenizer("byte_level")
    assert read.vocabulary.text_of(base_context(as_messages(prompt), PLAIN, read)) == prompt
    assert base_lead(as_messages(prompt), PLAIN, read) == b""


def test_a_vocabulary_without_words_that_bring_a_space_reads_it_in_the_context() -> None:
    read = opened(two_letters(with_space=True), end_ids=[])
    assert base_lead(as_messages("ab "), PLAIN, read) == b""
    assert read.vocabulary.text_of(base_context(as_messages("ab "), PLAIN, read)) == "ab "


@settings(max_examples=100, deadline=None)
@given(prompt=st.text(min_size=1).filter(lambda text: bool(text.strip())))
def test_context_and_lead_write_the_whole_base_text(prompt: str) -> None:
    read, messages = tokenizer("byte_level"), as_messages(prompt)
    for config in (PromptsConfig(), PLAIN):
        written = read.vocabulary.bytes_of(base_context(messages, config, read))
        lead = base_lead(messages, config, read)
        assert written + lead == base_text(messages, config).replace("<|end|>", "").encode()


@pytest.mark.parametrize("prompt", ["", " ", "\n\t ", "\u3000"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match="the prompt is empty"):
        as_messages(prompt)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "the conversation is empty"),
        ([Message("system", "x")], "message 0 is from 'system'; the last must be the user's"),
        (
            [Message("user", "a"), Message("assistant", "b")],
            "message 1 is from 'assistant'; the last must be",
        ),
        (
            [Message("assistant", "a"), Message("user", "b")],
            "message 0 is from 'assistant' where 'user' is due",
        ),
        ([Message("user", "a"), Message("user", "b")], "message 1 is from 'user' where 'assistant' is due"),
        (
            [Message("user", "a"), Message("system", "b")],
            "message 1 is from 'system' where 'assistant' is due",
        ),
        ([Message("user", "a"), Message("assistant", "b"), Message("user", " ")], "message 2 is empty"),
        ([Message("tool", "a")], "message 0 has the role 'tool'; allowed: system, user, assistant"),
    ],
)
def test_a_conversation_out_of_order_is_refused(messages: list[Message], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        as_messages(messages)


def test_a_conversation_in_order_is_taken_as_it_is() -> None:
    assert as_messages(TALK) == TALK
    assert as_messages([TALK[1]]) == (TALK[1],)


def test_a_chat_without_a_template_is_refused_with_the_way_out() -> None:
    with pytest.raises(PromptError, match=r"has no chat template; set prompts.aligned: plain, or export"):
        aligned_context(ASK, PromptsConfig(), tokenizer("byte_level"), None, {})


def test_a_template_that_writes_nothing_is_refused() -> None:
    with pytest.raises(PromptError, match="writes nothing"):
        aligned_context(ASK, PromptsConfig(), tokenizer("byte_level"), "{# nothing #}", {})


def test_a_template_that_refuses_the_system_message_says_so() -> None:
    with pytest.raises(PromptError, match="No system role"):
        aligned_context(TALK, PromptsConfig(), tokenizer("byte_level"), TEMPLATES["gemma"], {})


def test_special_tokens_in_a_prompt_are_read_or_refused_as_the_config_says() -> None:
    read, messages = tokenizer("byte_level"), as_messages("a<|end|>b")
    refusing = PromptsConfig(special_text="refuse")
    assert END in aligned_context(messages, PromptsConfig(), read, CHATML, {})
    assert END in base_context(messages, PromptsConfig(), read)
    for attempt in (
        lambda: aligned_context(messages, refusing, read, CHATML, {}),
        lambda: base_context(messages, refusing, read),
    ):
        with pytest.raises(PromptError, match=r"message 0 spells the special token '<\|end\|>'"):
            attempt()


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"base": "few-shot"}, "needs 'examples'"),
        ({"base": "template"}, "go together"),
        ({"base_template": "{prompt}"}, "go together"),
        ({"base": "template", "base_template": "x"}, "must contain {prompt}"),
        ({"examples": [{"prompt": "a", "answer": "b"}]}, "only shown with"),
        ({"base": "few-shot", "examples": [{"prompt": "a"}]}, r"prompts.examples\[0\].*answer"),
        ({"base": "questions"}, "prompts.base.*question-answer"),
        ({"aligned": "chats"}, "prompts.aligned.*Did you mean 'chat'"),
        ({"system": ""}, "prompts.system"),
        ({"today": "yesterday"}, "prompts.today"),
    ],
)
def test_a_wrong_config_is_named(prompts: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_data({"prompts": prompts})


def test_a_config_of_prompts_can_be_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "baco.yaml"
    path.write_text(
        "prompts: {base: few-shot, examples: [{prompt: a, answer: b}], system: x, today: 2024-07-26}", "utf-8"
    )
    config = load_config(path)
    assert config.prompts.today == date(2024, 7, 26)
    assert config_from_data(config_data(config)).prompts == config.prompts
