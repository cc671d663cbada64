"""Chat templates: written as transformers writes them, and hostile ones stopped in one line."""

from __future__ import annotations

import importlib.util
import time
from datetime import date

import pytest

from baco_core import chat
from baco_core.chat import ChatTemplate
from baco_core.errors import PromptError
from tests.text.hostile import FAILS, GETS_OUT, GROWS, NEVER_ENDS
from tests.text.templates import CHATML, CONVERSATION, ODD_BUT_FINE, TEMPLATES, WITH_SYSTEM

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
@pytest.mark.parametrize("source", [*TEMPLATES.values(), *ODD_BUT_FINE])
@pytest.mark.parametrize("prompted", [True, False])
def test_templates_write_what_transformers_writes(source: str, prompted: bool) -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    for messages in (CONVERSATION, CONVERSATION[:1]):
        (theirs,), _ = render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=prompted, **TOKENS
        )
        ours = ChatTemplate(source, TOKENS).render(messages, add_generation_prompt=prompted)
        assert ours == theirs


def test_a_chat_is_written_with_the_answer_begun() -> None:
    assert ChatTemplate(CHATML).render([{"role": "user", "content": "Hi"}]) == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_date_can_be_set() -> None:
    template = ChatTemplate("{{ strftime_now('%d %b %Y') }}")
    assert template.render([], today=date(2024, 7, 26)) == "26 Jul 2024"
    assert len(template.render([])) == 11


def test_what_a_template_refuses_is_told_in_its_words() -> None:
    with pytest.raises(
        PromptError, match=r"chat template, line 3: it does not take these messages: No system"
    ):
        ChatTemplate(TEMPLATES["gemma"]).render(WITH_SYSTEM)


def test_rendering_changes_no_message() -> None:
    messages = [{"role": "user", "content": "Hi"}]
    ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}").render(messages)
    assert messages == [{"role": "user", "content": "Hi"}]


def test_a_long_conversation_is_no_hostile_one() -> None:
    turns = [{"role": ("user", "assistant")[i % 2], "content": "word " * 40} for i in range(2001)]
    for source in TEMPLATES.values():
        assert len(ChatTemplate(source, TOKENS).render(turns)) > 400_000


def test_one_very_long_message_is_no_hostile_one() -> None:
    text = ChatTemplate(CHATML).render([{"role": "user", "content": "x" * 4_000_000}])
    assert len(text) > 4_000_000


@pytest.mark.parametrize("source", [*NEVER_ENDS.values(), *GROWS.values()], ids=[*NEVER_ENDS, *GROWS])
def test_a_template_that_wants_too_much_is_stopped(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MAX_SECONDS", 0.5)
    before = time.thread_time()
    with pytest.raises(PromptError, match=r"^chat template.*: it .*, so it was stopped") as caught:
        ChatTemplate(source).render(CONVERSATION)
    assert time.thread_time() - before < 4
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", GETS_OUT.values(), ids=GETS_OUT)
def test_a_template_cannot_get_out(source: str) -> None:
    with pytest.raises(PromptError, match="chat template"):
        ChatTemplate(source).render(CONVERSATION)


@pytest.mark.parametrize("source", FAILS.values(), ids=FAILS)
def test_a_template_that_fails_is_told_in_one_line(source: str) -> None:
    with pytest.raises(PromptError, match="chat template") as caught:
        ChatTemplate(source).render(CONVERSATION)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_line_of_a_fault_is_named() -> None:
    with pytest.raises(PromptError, match=r"chat template, line 3: it failed: 'role_name' is undefined"):
        ChatTemplate("a\nb\n{{ role_name.x }}\n").render(CONVERSATION)
    with pytest.raises(PromptError, match=r"chat template, line 2: it cannot be read"):
        ChatTemplate("a\n{% endif %}\n").render(CONVERSATION)


def test_variables_that_nobody_set_print_as_nothing_as_in_transformers() -> None:
    assert ChatTemplate("[{{ bos_token }}{{ ''.__class__ }}]").render(CONVERSATION) == "[]"
