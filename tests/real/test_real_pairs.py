"""The real models: one pair with one vocabulary and one set of weights, one with two tokenizers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baco_core.config import Part
from baco_core.events import Sample, TokenEvent
from baco_core.exchange import Retokenised
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_core.prompts import Message
from baco_core.source import Source

pytestmark = pytest.mark.real

PROMPTS = ("Why is the sky blue?", "Tell me about a cat in a small boat.")
ROUTERS: Mapping[str, Mapping[str, Any]] = {
    "rand": {"gamma": 0.5},
    "p-punc": {"gamma": 0.5},
    "h": {"gamma": 2.0},
    "nudging": {"gamma": 0.4},
}


def told(sample: Sample) -> list[tuple[int, Source]]:
    return [(event.token_id, event.source) for event in sample.tokens]


def routed(pipeline: Pipeline, plugins: Plugins, router: str, /, **options: Any) -> Pipeline:
    return replace(pipeline, router=plugins.routers.build(Part(router, options), "router"))


def scheduled(pipeline: Pipeline, schedule: str, **changes: Any) -> Pipeline:
    return replace(pipeline, decode=replace(pipeline.decode, schedule=schedule, **changes))


@pytest.fixture(params=["two_views", "two_tokenizers"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    found: Pipeline = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("router", sorted(ROUTERS))
def test_every_schedule_writes_what_plain_writes(pipeline: Pipeline, plugins: Plugins, router: str) -> None:
    routing = routed(pipeline, plugins, router, **ROUTERS[router])
    for prompt in PROMPTS:
        plain, lazy, auto = (
            scheduled(routing, name).generate(prompt)[0] for name in ("plain", "lazy", "auto")
        )
        assert told(plain) == told(lazy) == told(auto)
        assert plain.text == lazy.text == auto.text
        assert lazy.usage.base_forwards <= plain.usage.base_forwards
        assert lazy.usage.aligned_forwards <= plain.usage.aligned_forwards


@pytest.mark.parametrize(
    ("router", "options", "alone"),
    [
        ("p", {"gamma": 0.0}, "aligned"),
        ("p", {"gamma": 1.5}, "base"),
        ("h", {"gamma": float("inf")}, "aligned"),
        ("h", {"gamma": -1.0}, "base"),
        ("p-punc", {"gamma": 0.0}, "aligned"),
        ("punc", {"fires_on": "none"}, "base"),
    ],
)
def test_at_its_end_points_a_router_is_one_model_alone(
    pipeline: Pipeline, plugins: Plugins, router: str, options: dict[str, Any], alone: str
) -> None:
    at_end = routed(pipeline, plugins, router, **options).generate(PROMPTS[0])[0]
    single = routed(pipeline, plugins, alone).generate(PROMPTS[0])[0]
    assert told(at_end) == told(single)


def test_samples_are_those_of_each_alone_and_the_prompt_is_read_once(pipeline: Pipeline) -> None:
    several = scheduled(pipeline, "lazy", n=3).generate(PROMPTS[0])
    assert several[0].text == scheduled(pipeline, "lazy", n=1).generate(PROMPTS[0])[0].text
    assert len({sample.text for sample in several}) == 3
    again = scheduled(pipeline, "lazy", n=3).generate(PROMPTS[0])
    assert [told(sample) for sample in again] == [told(sample) for sample in several]


def test_the_text_is_what_the_events_say_and_a_trace_changes_nothing(pipeline: Pipeline) -> None:
    items = list(pipeline.stream(PROMPTS[1], trace=True))
    sample = items[-1]
    assert isinstance(sample, Sample)
    events = [item for item in items if isinstance(item, TokenEvent)]
    assert "".join(event.text for event in events) == sample.text
    assert all(len(tops) == 5 for event in events for _, tops in event.top)
    assert told(sample) == told(pipeline.generate(PROMPTS[1])[0])


def test_a_stop_string_ends_the_text_before_it(pipeline: Pipeline) -> None:
    whole = pipeline.generate(PROMPTS[0])[0].text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 4]
    cut = scheduled(pipeline, "lazy", stop=(stop,)).generate(PROMPTS[0])[0]
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish_reason == "stop"


def test_a_conversation_is_read_by_both_models(pipeline: Pipeline) -> None:
    turns = [
        Message("system", "Answer in one word."),
        Message("user", "What is the capital of France?"),
        Message("assistant", "Paris"),
        Message("user", "And of Italy?"),
    ]
    reading = pipeline.read(turns)
    for source, member in pipeline.pair.members.items():
        text = member.tokenizer.vocabulary.text_of(reading.contexts[source])
        assert all(turn.content in text for turn in turns), source


def test_two_views_share_one_set_of_weights_and_exchange_tokens(two_views: Pipeline) -> None:
    base, aligned = (two_views.pair.members[source] for source in Source)
    assert base.model.session is aligned.model.session  # type: ignore[attr-defined]  # one set of weights
    assert two_views.pair.exchange == "tokens"


def test_two_tokenizers_exchange_text(two_tokenizers: Pipeline) -> None:
    assert two_tokenizers.pair.exchange == "text"


WORDS = st.lists(
    st.tuples(
        st.sampled_from(list(Source)),
        st.one_of(
            st.sampled_from(
                [" the", " naïve", "\n\n", " 🙂", ".", " house", "boat", " 3,141", " 東京", "\t", "'s"]
            ),
            st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cc", "Cs"]), max_size=6),
        ),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(WORDS)
def test_each_real_tokenizer_hears_exactly_the_bytes_the_other_wrote(
    two_tokenizers: Pipeline, script: list[tuple[Source, str]]
) -> None:
    members = two_tokenizers.pair.members
    transcripts = {source: Retokenised(member.tokenizer.hear) for source, member in members.items()}
    text = b""
    for source, word in script:
        for token_id in members[source].tokenizer.encode_text(word.encode()):
            vocabulary = members[source].tokenizer.vocabulary
            data, begins = vocabulary.pieces[token_id], bool(vocabulary.begins_word[token_id])
            transcripts[source].wrote(token_id)
            transcripts[source.other].heard(token_id, data, begins_word=begins)
            text += data
    for source, transcript in transcripts.items():
        assert members[source].tokenizer.vocabulary.bytes_of(transcript.tokens()) == text
