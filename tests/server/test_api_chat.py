"""/v1/chat/completions as the openai client speaks it: every field, and the text of `baco generate`."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import openai
import pytest
from api_world import STORY, Api, chat
from openai.types.chat import ChatCompletion as ClientCompletion

from baco_core.config import Config, Part
from baco_core.events import Sample
from baco_core.prompts import Message
from baco_server.api.documents_chat import ChatCompletion


def expected(api: Api, prompt: Any = STORY, name: str = "tiny", **decode: Any) -> list[Sample]:
    """Return what `Pipeline.generate` writes with the pair's config and these changes of `decode`."""
    return generated(api, api.config(name), prompt, name, **decode)


def generated(api: Api, config: Config, prompt: Any, name: str = "tiny", **decode: Any) -> list[Sample]:
    changed = dataclasses.replace(config, decode=dataclasses.replace(config.decode, **decode))
    return api.pipeline(name).using(changed).generate(prompt)


def texts(answer: ClientCompletion) -> list[str]:
    return [choice.message.content or "" for choice in answer.choices]


def test_the_text_is_that_of_pipeline_generate_with_the_same_seed(api: Api) -> None:
    answer = api.openai().chat.completions.create(**chat(seed=7, max_tokens=16))
    [sample] = expected(api, seed=7, max_new_tokens=16)
    assert texts(answer) == [sample.text]
    assert answer.choices[0].finish_reason == sample.finish_reason
    assert answer.usage is not None
    assert answer.usage.completion_tokens == sample.usage.completion_tokens
    assert answer.usage.prompt_tokens == sample.usage.prompt_tokens
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_n_texts_differ_and_are_those_of_the_same_seed_and_index(api: Api) -> None:
    answer = api.openai().chat.completions.create(**chat(n=4, seed=3, max_tokens=12))
    samples = expected(api, n=4, seed=3, max_new_tokens=12)
    assert texts(answer) == [sample.text for sample in samples]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len(set(texts(answer))) > 1


def test_an_answer_is_what_the_openapi_document_says(api: Api) -> None:
    answer = api.http().post("/v1/chat/completions", json=chat(n=2, logprobs=True, top_logprobs=3))
    assert answer.status_code == 200
    checked = ChatCompletion.model_validate(answer.json())
    assert checked.id.startswith("chatcmpl-")
    assert checked.system_fingerprint.startswith("fp_")


def test_without_a_seed_a_fresh_one_is_drawn_and_told(api: Api) -> None:
    client = api.openai()
    answers = [client.chat.completions.create(**chat(seed=None, max_tokens=12)) for _ in range(2)]
    seeds = [answer.baco["seed"] for answer in answers]  # type: ignore[attr-defined]
    assert seeds[0] != seeds[1]
    again = client.chat.completions.create(**chat(seed=seeds[0], max_tokens=12))
    assert texts(again) == texts(answers[0])


def test_both_names_of_the_token_limit_work_and_may_not_differ(api: Api) -> None:
    client = api.openai()
    short = client.chat.completions.create(**chat(max_tokens=None, max_completion_tokens=3))
    assert short.usage is not None
    assert short.usage.completion_tokens == 3
    assert short.choices[0].finish_reason == "length"
    with pytest.raises(openai.BadRequestError, match="differ"):
        client.chat.completions.create(**chat(max_tokens=3, max_completion_tokens=4))


def test_a_stop_string_ends_the_text_before_it(api: Api) -> None:
    client = api.openai()
    [whole] = texts(client.chat.completions.create(**chat(max_tokens=20)))
    middle = whole[len(whole) // 2 : len(whole) // 2 + 4]
    for stop in (middle, ["no such text", middle]):
        answer = client.chat.completions.create(**chat(max_tokens=20, stop=stop))
        assert texts(answer) == [whole.partition(middle)[0]]
        assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 1.7, "top_p": 0.5}, {"temperature": 1.7, "top_p": 0.5}),
        ({"top_k": 3}, {"top_k": 3}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"min_p": 0.2}, {"min_p": 0.2}),
        ({"presence_penalty": 1.5}, {"presence_penalty": 1.5}),
        ({"frequency_penalty": -1.0}, {"frequency_penalty": -1.0}),
        ({"repetition_penalty": 1.3}, {"repetition_penalty": 1.3}),
        ({"logit_bias": {"270": 5, "300": -100}}, {"logit_bias": {270: 5.0, 300: -100.0}}),
    ],
)
def test_every_sampling_field_reaches_the_sampler(
    api: Api, fields: dict[str, Any], options: dict[str, Any]
) -> None:
    config = api.config()
    sampler = Part(config.sampler.use, {**config.sampler.options, **options})
    wanted = generated(api, dataclasses.replace(config, sampler=sampler), STORY, seed=1, max_new_tokens=12)
    answer = api.http().post("/v1/chat/completions", json=chat(max_tokens=12, **fields))
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == wanted[0].text


def test_a_greedy_pair_takes_sampling_fields_too(api: Api) -> None:
    client = api.openai()
    greedy = texts(client.chat.completions.create(**chat(model="calm", seed=1)))
    assert greedy == texts(client.chat.completions.create(**chat(model="calm", seed=2)))
    hot = {
        tuple(texts(client.chat.completions.create(**chat(model="calm", seed=s, temperature=2))))
        for s in (1, 2)
    }
    assert len(hot) == 2


def test_logprobs_tell_each_token_its_bytes_and_its_source(api: Api) -> None:
    answer = api.openai().chat.completions.create(**chat(logprobs=True, top_logprobs=2, max_tokens=10))
    choice = answer.choices[0]
    assert choice.logprobs is not None
    entries = choice.logprobs.content
    assert entries is not None
    written = b"".join(bytes(entry.bytes or []) for entry in entries)
    assert written.decode() == choice.message.content
    assert {entry.source for entry in entries} <= {"base", "aligned"}  # type: ignore[attr-defined]
    [sample] = expected(api, seed=1, max_new_tokens=10)
    assert [entry.logprob for entry in entries] == pytest.approx([token.logprob for token in sample.tokens])
    assert all(len(entry.top_logprobs) == 2 for entry in entries)
    assert all(entry.top_logprobs[0].logprob >= entry.top_logprobs[1].logprob for entry in entries)


def test_asking_for_likely_tokens_does_not_change_the_text(api: Api) -> None:
    client = api.openai()
    plain = client.chat.completions.create(**chat(max_tokens=16))
    traced = client.chat.completions.create(
        **chat(max_tokens=16, logprobs=True, top_logprobs=20), extra_body={"baco": {"trace": True}}
    )
    assert texts(plain) == texts(traced)


@pytest.mark.parametrize("stream", [False, True])
def test_likely_tokens_bring_no_trace_that_nobody_asked_for(api: Api, stream: bool) -> None:
    body = chat(logprobs=True, top_logprobs=3, stream=stream)
    told = api.http().post("/v1/chat/completions", json=body).text
    assert told.count('"top_logprobs"') >= 8
    assert '"signal"' not in told


def test_a_trace_tells_what_the_router_saw_and_what_both_models_would_have_said(api: Api) -> None:
    body = chat(baco={"trace": True, "router": "p", "gamma": 0.4}, max_tokens=12)
    entries = api.http().post("/v1/chat/completions", json=body).json()["choices"][0]["logprobs"]["content"]
    traces = [entry["baco"] for entry in entries]
    assert all(len(trace["base"]) == len(trace["aligned"]) == 5 for trace in traces)
    decided = [trace for trace in traces if trace["signal"] is not None]
    assert decided
    assert all(trace["threshold"] == 0.4 for trace in decided)
    for entry, trace in zip(entries, traces, strict=True):
        if trace["signal"] is not None:
            assert entry["source"] == ("base" if trace["signal"] < 0.4 else "aligned")


@pytest.mark.parametrize("source", ["base", "aligned"])
def test_a_member_alone_is_served_under_its_own_id(api: Api, source: str) -> None:
    config = dataclasses.replace(api.config(), router=Part(source))
    [sample] = generated(api, config, STORY, seed=1, max_new_tokens=8)
    answer = api.openai().chat.completions.create(**chat(model=f"tiny:{source}"))
    assert texts(answer) == [sample.text]
    assert answer.model == f"tiny:{source}"
    assert answer.baco["base_share"] == float(source == "base")  # type: ignore[attr-defined]


def test_a_router_can_be_named_by_the_id_or_by_the_field(api: Api) -> None:
    config = dataclasses.replace(api.config(), router=Part("p", {"gamma": 0.6}))
    [sample] = generated(api, config, STORY, seed=1, max_new_tokens=8)
    post = api.http().post
    by_id = post("/v1/chat/completions", json=chat(model="tiny@p", baco={"gamma": 0.6})).json()
    by_field = post("/v1/chat/completions", json=chat(baco={"router": "p", "options": {"gamma": 0.6}})).json()
    for answer in (by_id, by_field):
        assert answer["choices"][0]["message"]["content"] == sample.text
        assert answer["baco"]["router"] == "p"
        assert answer["baco"]["gamma"] == 0.6
        assert answer["baco"]["options"] == {"gamma": 0.6}


def test_options_are_laid_over_those_of_the_pairs_own_router(api: Api) -> None:
    baco = (
        api.http()
        .post("/v1/chat/completions", json=chat(baco={"options": {"probe": "aligned"}}))
        .json()["baco"]
    )
    assert baco["router"] == "p-punc"
    assert baco["options"] == {"gamma": 0.3, "probe": "aligned", "fires_on": "class"}


def test_infinity_is_written_as_yaml_does(api: Api) -> None:
    body = chat(baco={"router": "h", "gamma": ".inf"})
    baco = api.http().post("/v1/chat/completions", json=body).json()["baco"]
    assert baco["gamma"] == ".inf"
    assert baco["base_share"] == 0.0


@pytest.mark.parametrize("schedule", ["plain", "lazy", "speculative"])
def test_a_schedule_changes_nothing_of_the_text(api: Api, schedule: str) -> None:
    post = api.http().post
    plain = post("/v1/chat/completions", json=chat(max_tokens=16)).json()
    other = post("/v1/chat/completions", json=chat(max_tokens=16, baco={"schedule": schedule})).json()
    assert other["choices"][0]["message"] == plain["choices"][0]["message"]
    assert other["baco"]["schedule"] == schedule


def test_switching_at_every_token_is_another_text(api: Api) -> None:
    config = api.config()
    [sample] = expected(api, seed=1, max_new_tokens=8, switch_at="token")
    answer = api.http().post("/v1/chat/completions", json=chat(baco={"switch_at": "token"})).json()
    assert answer["choices"][0]["message"]["content"] == sample.text
    assert config.decode.switch_at == "word"


def test_roles_and_lists_of_text_parts_are_one_conversation(api: Api) -> None:
    turns = [
        {"role": "developer", "content": "You are brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Hello."}, {"type": "text", "text": "Who are you?"}],
        },
        {"role": "assistant", "content": "A light.", "refusal": None, "tool_calls": None},
        {"role": "user", "content": "Tell me more.", "name": "Lily"},
    ]
    messages = [
        Message("system", "You are brief."),
        Message("user", "Hello.\nWho are you?"),
        Message("assistant", "A light."),
        Message("user", "Tell me more."),
    ]
    answer = api.http().post("/v1/chat/completions", json=chat(messages=turns)).json()
    [sample] = expected(api, messages, seed=1, max_new_tokens=8)
    assert answer["choices"][0]["message"]["content"] == sample.text


def test_an_answer_can_be_sent_back_as_the_client_holds_it(api: Api) -> None:
    client = api.openai()
    turns: list[Any] = [{"role": "user", "content": STORY}]
    first = client.chat.completions.create(**chat(messages=turns))
    turns += [first.choices[0].message, {"role": "user", "content": "And then?"}]
    assert client.chat.completions.create(**chat(messages=turns)).choices[0].message.content


def test_fields_that_change_nothing_are_taken(api: Api) -> None:
    client = api.openai()
    plain = client.chat.completions.create(**chat())
    ignored = client.chat.completions.create(
        **chat(),
        user="somebody",
        metadata={"a": "b"},
        store=False,
        service_tier="auto",
        parallel_tool_calls=True,
        response_format={"type": "text"},
        modalities=["text"],
        extra_body={"safety_identifier": "x", "prompt_cache_key": "y", "tools": None, "prediction": None},
    )
    assert texts(plain) == texts(ignored)


def test_cached_tokens_are_told(api: Api) -> None:
    client = api.openai()
    prompt = "Tell me a long story about a boat that nobody has asked for before."
    client.chat.completions.create(**chat(prompt))
    again = client.chat.completions.create(**chat(prompt))
    assert again.usage is not None
    assert again.usage.prompt_tokens_details is not None
    cached = again.usage.prompt_tokens_details.cached_tokens
    assert cached is not None
    assert again.usage.prompt_tokens >= cached > again.usage.prompt_tokens // 2


def test_the_async_client_gets_the_same_texts_side_by_side(api: Api) -> None:
    async def ask_all() -> list[ClientCompletion]:
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="x", max_retries=0) as client:
            asked = [client.chat.completions.create(**chat(seed=seed, max_tokens=10)) for seed in range(6)]
            return list(await asyncio.gather(*asked))

    answers = asyncio.run(ask_all())
    wanted = [expected(api, seed=seed, max_new_tokens=10)[0].text for seed in range(6)]
    assert [texts(answer)[0] for answer in answers] == wanted


def test_models_are_listed_and_described(api: Api) -> None:
    client = api.openai()
    ids = [model.id for model in client.models.list()]
    assert {"tiny", "tiny:base", "tiny:aligned", "tiny@p-punc", "calm", "calm@h"} <= set(ids)
    assert not any(name.endswith("@judge") for name in ids)
    one = client.models.retrieve("tiny@p-fc")
    assert one.id == "tiny@p-fc"
    assert one.baco["router"] == "p-fc"  # type: ignore[attr-defined]
    assert one.baco["ready"] is True  # type: ignore[attr-defined]


def test_every_listed_model_writes(api: Api) -> None:
    client = api.openai()
    for model in client.models.list():
        if "slow" not in model.id and "broken" not in model.id and model.id.startswith("tiny"):
            assert texts(client.chat.completions.create(**chat(model=model.id, max_tokens=2)))


def test_routers_are_listed_with_the_schema_of_their_options(api: Api) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    listed = {router["name"]: router for router in api.http().get("/v1/routers").json()["data"]}
    assert "judge" not in listed
    assert listed["p"]["gamma"] == {"default": 0.3, "minimum": 0, "maximum": None}
    assert listed["punc"]["gamma"] is None
    for router in listed.values():
        assert router["description"]
        jsonschema.Draft202012Validator.check_schema(router["options"])
    chain = jsonschema.Draft202012Validator(listed["chain"]["options"])
    assert chain.is_valid({"routers": [{"use": "punc"}, {"use": "p", "options": {"gamma": 0.2}}]})
    assert not chain.is_valid({"routers": [{"use": "nobody"}]})
