"""What the models are asked for each text, and that a text depends on nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baco_core.config import Part, load_config
from baco_core.errors import ConfigError, ContextError
from baco_core.options import options_of
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_core.prompts import Message, as_messages
from baco_eval import plugin
from baco_eval.methods.asking import InContext, Paraphrase, Regenerate, SystemPrompt
from baco_eval.methods.generate import generate
from baco_eval.methods.method import Method, asked, shows_earlier
from baco_eval.records import Generation, Prompt, Setting

PROMPT = Prompt(
    "cat", "Tell me a story about a cat.", "story", ("Write a story about a cat.", "A cat's story, please.")
)
SETTING = Setting("p", "gamma=0.4")
EVERY: tuple[Method, ...] = (Regenerate(), InContext(), InContext(keep=1), Paraphrase(), SystemPrompt())
texts = st.lists(st.text(max_size=20), max_size=6)


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    loaded = load_plugins()
    return loaded if "regenerate" in loaded.baselines else load_plugins(given={"eval": plugin})


@pytest.fixture(scope="module")
def tiny(plugins: Plugins) -> Pipeline:
    varied = ["router={use: p, options: {gamma: 0.5}}", "sampler.options.temperature=1.5"]
    config = load_config(None, ["decode.max_new_tokens=16", "decode.n=4", "decode.seed=5", *varied])
    return Pipeline.from_config(config, plugins)


def written(method: Method, pipeline: Pipeline, *indices: int, earlier: Any = ()) -> list[Generation]:
    return list(generate(method, pipeline, PROMPT, SETTING, indices, earlier))


def test_the_registered_methods_build_and_their_options_are_described(plugins: Plugins) -> None:
    for name, method in (
        ("regenerate", Regenerate()),
        ("in-context", InContext()),
        ("paraphrase", Paraphrase()),
        ("system-prompt", SystemPrompt()),
    ):
        assert plugins.baselines.build(Part(name), "method") == method
        for option in options_of(plugins.baselines.get(name)).values():
            assert option.hint.__metadata__[0].description.endswith(".")
    with pytest.raises(ConfigError, match=r"options\.keep: expected int >= 1"):
        plugins.baselines.build(Part("in-context", {"keep": 0}), "method")


@pytest.mark.parametrize("method", EVERY, ids=repr)
@given(index=st.integers(0, 100), earlier=texts)
def test_what_is_asked_is_a_conversation_whoever_asks(method: Method, index: int, earlier: list[str]) -> None:
    messages = method.messages(PROMPT, index, earlier)
    assert as_messages(messages) == messages
    assert method.messages(PROMPT, index, tuple(earlier)) == messages


def test_each_method_asks_in_its_way() -> None:
    user = Message("user", PROMPT.text)
    assert Regenerate().messages(PROMPT, 3, ()) == (user,)
    more = InContext(request="Again!").messages(PROMPT, 2, ["One.", "Two."])
    again = Message("user", "Again!")
    assert more == (user, Message("assistant", "One."), again, Message("assistant", "Two."), again)
    assert InContext("Again!", keep=1).messages(PROMPT, 2, ["One.", "Two."]) == (user, *more[3:])
    assert [Paraphrase().messages(PROMPT, index, ())[0].content for index in range(3)] == [
        *PROMPT.paraphrases,
        PROMPT.paraphrases[0],
    ]
    assert SystemPrompt("Be new.").messages(PROMPT, 0, ()) == (Message("system", "Be new."), user)


def test_a_prompt_without_paraphrases_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^prompt 'x' has no paraphrases for method 'paraphrase' to ask;"):
        Paraphrase().messages(Prompt("x", "Why?"), 0, ())


def test_regenerated_texts_are_the_pipelines_own(tiny: Pipeline) -> None:
    samples = tiny.generate(PROMPT.text)
    assert [text.text for text in written(Regenerate(), tiny, 0, 1, 2, 3)] == [
        sample.text for sample in samples
    ]
    assert len({sample.text for sample in samples}) == 4


def test_a_generation_says_who_wrote_what(tiny: Pipeline) -> None:
    found, sample = written(Regenerate(), tiny, 0)[0], tiny.generate(PROMPT.text)[0]
    assert found.key == ("p", "gamma=0.4", "cat", 0)
    assert "".join(text for _, text in found.pieces) == found.text == sample.text
    sources = [source for source, _ in found.pieces]
    assert set(sources) == {"base", "aligned"}
    assert all(one != two for one, two in pairwise(sources))
    assert (found.tokens, found.base_tokens) == (sample.usage.completion_tokens, sample.usage.base_tokens)
    assert found.finish_reason == sample.finish_reason


@pytest.mark.parametrize("method", [Regenerate(), Paraphrase(), SystemPrompt()], ids=repr)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=4)
@given(indices=st.permutations(range(4)), batch=st.integers(1, 4))
def test_a_text_depends_on_its_index_and_not_on_its_company(
    tiny: Pipeline, method: Method, indices: list[int], batch: int
) -> None:
    narrow = replace(tiny, decode=replace(tiny.decode, batch=batch))
    at_once = written(method, tiny, 0, 1, 2, 3)
    assert written(method, narrow, *indices) == [at_once[index] for index in indices]


def test_in_context_goes_on_from_any_index_when_given_the_texts_before_it(tiny: Pipeline) -> None:
    assert shows_earlier(InContext())
    whole = written(InContext(), tiny, 0, 1, 2, 3)
    for begun in range(4):
        earlier = [text.text for text in whole[:begun]]
        assert written(InContext(), tiny, *range(begun, 4), earlier=earlier) == whole[begun:]
    other = [whole[0].text, "Something else."]
    assert written(InContext(), tiny, 2, earlier=other) != whole[2:3]
    with pytest.raises(ValueError, match="text 2 needs the 2 texts before it, not 1"):
        written(InContext(), tiny, 2, earlier=["One."])


def test_another_seed_gives_another_text_and_each_method_its_own(tiny: Pipeline) -> None:
    reseeded = replace(tiny, decode=replace(tiny.decode, seed=6))
    for method in EVERY:
        assert written(method, tiny, 0) == written(method, tiny, 0)
        assert written(method, tiny, 0) != written(method, reseeded, 0)
    last = {written(method, tiny, *range(3))[2].text for method in EVERY}
    assert len(last) == len(EVERY)


def test_earlier_texts_that_do_not_fit_are_left_out_from_the_oldest(tiny: Pipeline) -> None:
    words = [f"{number} " + "cat " * 300 for number in range(5)]
    messages = asked(InContext(), tiny, PROMPT, 5, words)
    shown = [message.content for message in messages if message.role == "assistant"]
    assert 0 < len(shown) < 5
    assert shown == words[-len(shown) :]
    with pytest.raises(ContextError):
        tiny.read(InContext().messages(PROMPT, 5, words[-len(shown) - 1 :]))
    huge = ["cat " * 2000]
    assert asked(InContext(), tiny, PROMPT, 1, huge) == (Message("user", PROMPT.text),)
