"""The embedded pair, end to end on real ONNX: every router, every schedule, every identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baco_core.config import Part, load_config
from baco_core.errors import ConfigError
from baco_core.events import Sample, TokenEvent, Usage
from baco_core.hookspecs import hookimpl
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_core.source import Source
from baco_routers.end_points import END_POINTS

PROMPTS = (
    "Tell me a story about a lighthouse.",
    "Tell me a story about a cat and a boat.",
    "Why?",
    "été 🙂 <|im_end|>",
)
ROUTERS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "aligned": {},
    "rand": {"gamma": 0.5},
    "p": {"gamma": 0.4},
    "h": {"gamma": 2.0},
    "punc": {"probe": "either"},
    "fc": {"probe": "aligned"},
    "p-punc": {"gamma": 0.5},
    "h-punc": {"gamma": 1.5},
    "p-fc": {"gamma": 0.5},
    "h-fc": {"gamma": 1.5},
    "nudging": {"gamma": 0.4},
    "judge": {"member": "aligned"},
    "ensemble": {"weight": 0.4},
    "contrast": {"alpha": 1.5},
    "chain": {"routers": [{"use": "punc"}, {"use": "rand", "options": {"gamma": 0.5}}]},
}


def told(sample: Sample) -> list[tuple[int, Source]]:
    return [(event.token_id, event.source) for event in sample.tokens]


def routed(pipeline: Pipeline, plugins: Plugins, router: str, options: Mapping[str, Any]) -> Pipeline:
    return replace(pipeline, router=plugins.routers.build(Part(router, dict(options)), "router"))


def decoding(pipeline: Pipeline, **changes: Any) -> Pipeline:
    return replace(pipeline, decode=replace(pipeline.decode, **changes))


@pytest.mark.parametrize("router", sorted(ROUTERS))
@pytest.mark.parametrize("switch_at", ["word", "token"])
def test_every_schedule_writes_what_plain_writes(
    tiny: Pipeline, plugins: Plugins, router: str, switch_at: str
) -> None:
    length = 10 if router == "judge" else tiny.decode.max_new_tokens  # a judge reads it all anew each time
    routing = decoding(routed(tiny, plugins, router, ROUTERS[router]), max_new_tokens=length)
    for prompt in PROMPTS[::3]:
        plain, *others = (
            decoding(routing, schedule=name, switch_at=switch_at, seed=7).generate(prompt)[0]
            for name in ("plain", "lazy", "speculative")
        )
        for other in others:
            assert told(other) == told(plain)
            assert other.text == plain.text


@pytest.mark.parametrize(("router", "options", "alone"), END_POINTS)
def test_at_its_end_points_a_router_is_one_model_alone(
    tiny: Pipeline, plugins: Plugins, router: str, options: dict[str, Any], alone: str
) -> None:
    for prompt in PROMPTS[::3]:
        at_end = routed(tiny, plugins, router, options).generate(prompt)[0]
        assert told(at_end) == told(routed(tiny, plugins, alone, {}).generate(prompt)[0])


@pytest.mark.parametrize("router", sorted(set(ROUTERS) - {"judge"}))
def test_a_pair_of_two_equal_models_is_that_model_alone(plugins: Plugins, router: str) -> None:
    overrides = ["pair={base: 'tiny:aligned', aligned: 'tiny:aligned'}", "decode.max_new_tokens=40"]
    twins = Pipeline.from_config(
        load_config(None, [*overrides, "prompts={base: plain, aligned: plain}"]), plugins
    )
    base, aligned = (twins.pair.members[source].model for source in Source)
    assert base.session is aligned.session  # type: ignore[attr-defined]  # one set of weights in memory
    mixed = routed(twins, plugins, router, ROUTERS[router]).generate(PROMPTS[0])[0]
    alone = routed(twins, plugins, "base", {}).generate(PROMPTS[0])[0]
    assert [event.token_id for event in mixed.tokens] == [event.token_id for event in alone.tokens]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(st.integers(0, 2**64 - 1), st.integers(1, 4), st.floats(0.0, 1.0))
def test_the_same_seed_gives_the_same_texts_in_any_number(
    tiny: Pipeline, plugins: Plugins, seed: int, n: int, gamma: float
) -> None:
    several = decoding(routed(tiny, plugins, "p", {"gamma": gamma}), seed=seed, n=n, max_new_tokens=12)
    one = decoding(several, n=1)
    samples = several.generate(PROMPTS[0])
    assert [sample.index for sample in samples] == list(range(n))
    assert told(samples[0]) == told(one.generate(PROMPTS[0])[0])
    assert [told(sample) for sample in several.generate(PROMPTS[0])] == [told(sample) for sample in samples]


def test_streamed_and_interleaved_texts_are_those_written_at_once(tiny: Pipeline) -> None:
    whole = {prompt: tiny.generate(prompt)[0].text for prompt in PROMPTS[:2]}
    streams = {prompt: tiny.stream(prompt) for prompt in PROMPTS[:2]}
    texts = dict.fromkeys(PROMPTS[:2], "")

    def step(prompt: str, stream: Iterator[TokenEvent | Sample]) -> bool:
        item = next(stream, None)
        if isinstance(item, TokenEvent):
            texts[prompt] += item.text
        return item is not None

    while sum(step(prompt, stream) for prompt, stream in streams.items()):
        continue
    assert texts == whole


def test_a_text_that_is_given_up_leaves_nothing_behind(tiny: Pipeline) -> None:
    expected = tiny.generate(PROMPTS[0])[0].text
    given_up = tiny.stream(PROMPTS[0])
    for _ in range(5):
        next(given_up)
    given_up.close()  # type: ignore[attr-defined]
    assert tiny.generate(PROMPTS[0])[0].text == expected


def test_a_trace_changes_nothing_and_says_why(tiny: Pipeline) -> None:
    traced = list(tiny.stream(PROMPTS[0], trace=True))
    sample = traced[-1]
    assert isinstance(sample, Sample)
    assert told(sample) == told(tiny.generate(PROMPTS[0])[0])
    first = traced[0]
    assert isinstance(first, TokenEvent)
    assert first.decision is not None
    assert first.decision.reason
    assert [source for source, _ in first.top] == list(Source)


def test_usage_adds_up_and_lazy_saves_passes(tiny: Pipeline, plugins: Plugins) -> None:
    lazy = decoding(tiny, schedule="lazy")
    alone = routed(lazy, plugins, "aligned", {}).generate(PROMPTS[0])[0].usage
    assert (alone.base_tokens, alone.base_forwards, alone.base_share) == (0, 0, 0.0)
    assert alone.aligned_forwards == alone.aligned_tokens == alone.completion_tokens
    plain, mixed = (decoding(tiny, schedule=name).generate(PROMPTS[0])[0].usage for name in ("plain", "lazy"))
    assert mixed.base_tokens + mixed.aligned_tokens == mixed.completion_tokens
    assert mixed.aligned_forwards < plain.aligned_forwards
    assert (mixed.drafted, mixed.accepted) == (0, 0)


def test_only_the_aligned_model_may_end_when_told_so(tiny: Pipeline, plugins: Plugins) -> None:
    routing = decoding(routed(tiny, plugins, "rand", {"gamma": 0.7}), end="aligned", max_new_tokens=120)
    base_ends = tiny.pair.members[Source.BASE].tokenizer.vocabulary.end_ids
    for seed in range(6):
        sample = decoding(routing, seed=seed).generate(PROMPTS[0])[0]
        assert not any(e.token_id in base_ends for e in sample.tokens if e.source is Source.BASE)


def test_stop_strings_and_length_are_told_apart(tiny: Pipeline) -> None:
    whole = tiny.generate(PROMPTS[0])[0]
    stop = whole.text[10:16]
    cut = decoding(tiny, stop=(stop,)).generate(PROMPTS[0])[0]
    assert (cut.text, cut.finish_reason) == (whole.text[: whole.text.index(stop)], "stop")
    assert decoding(tiny, max_new_tokens=3).generate(PROMPTS[0])[0].finish_reason == "length"


class Observer:
    """A plugin that watches."""

    def __init__(self) -> None:
        self.events: list[TokenEvent] = []
        self.samples: list[Sample] = []

    @hookimpl
    def on_token(self, event: TokenEvent) -> None:
        self.events.append(event)

    @hookimpl
    def on_finish(self, sample: Sample) -> None:
        self.samples.append(sample)


def test_observers_see_every_token_and_every_sample(tiny: Pipeline) -> None:
    observer = Observer()
    watched = replace(decoding(tiny, n=2), plugins=load_plugins((), given={"observer": observer}))
    samples = watched.generate(PROMPTS[0])
    assert observer.samples == samples
    assert observer.events == [event for sample in samples for event in sample.tokens]


@pytest.mark.parametrize("schedule", ["plain", "lazy", "speculative"])
def test_texts_written_by_several_threads_are_the_same_and_count_their_own_passes(
    tiny: Pipeline, schedule: str
) -> None:
    pipeline = decoding(tiny, schedule=schedule)
    alone = pipeline.generate(PROMPTS[0])[0]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: pipeline.generate(PROMPTS[0])[0], range(4)))
    assert [told(sample) for sample in together] == [told(alone)] * 4
    assert [counted(sample, schedule) for sample in together] == [counted(alone, schedule)] * 4


def counted(sample: Sample, schedule: str) -> Usage:
    """Return what is counted the same in every run: of what is read ahead, the tokens but no passes."""
    if schedule != "speculative":
        return sample.usage
    return replace(sample.usage, base_forwards=0, aligned_forwards=0, drafted=0, accepted=0)


def test_models_that_take_turns_have_all_cores() -> None:
    """Only models that run at the same time share the cores out; inexact ones are found out late."""
    for option in ("true", "false"):
        config = load_config(None, [f"backend.options.exact={option}"])
        pipeline = Pipeline.from_config(config, load_plugins(config.plugins))
        for member in pipeline.pair.members.values():
            threads = member.model.session.placement.intra_op_threads  # type: ignore[attr-defined]
            assert (threads > 0) is pipeline.plan.concurrent


@pytest.mark.parametrize("router", ["ensemble", "contrast"])
def test_blends_are_refused_where_models_exchange_text(plugins: Plugins, router: str) -> None:
    config = load_config(None, ["pair={bundle: tiny, exchange: text}", f"router={{use: {router}}}"])
    with pytest.raises(ConfigError, match="decides at every token, which needs one vocabulary"):
        Pipeline.from_config(config, plugins)
