"""/v1/completions as the openai client speaks it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import openai
import pytest
from api_world import Api

from baco_core.events import Sample
from baco_core.prompts import TokenIds
from baco_core.source import Source
from baco_server.api.completions import as_it_stands
from baco_server.api.documents_completions import Completion

BEGUN = "Once upon a time there was a"


def asked(prompt: Any = BEGUN, **more: Any) -> dict[str, Any]:
    return {"model": "tiny", "prompt": prompt, "max_tokens": 8, "seed": 1, **more}


def expected(api: Api, prompt: Any = BEGUN, **decode: Any) -> list[Sample]:
    config = as_it_stands(api.config())
    given = {"seed": 1, "max_new_tokens": 8, **decode}
    changed = dataclasses.replace(config, decode=dataclasses.replace(config.decode, **given))
    return api.pipeline().using(changed).generate(prompt)


def test_a_text_goes_on_as_pipeline_generate_writes_it_with_plain_prompts(api: Api) -> None:
    answer = api.openai().completions.create(**asked(n=2))
    assert [choice.text for choice in answer.choices] == [sample.text for sample in expected(api, n=2)]
    assert answer.object == "text_completion"


def test_several_prompts_have_their_choices_in_order(api: Api) -> None:
    prompts = [BEGUN, "The little dog said"]
    answer = api.openai().completions.create(**asked(prompts, n=2))
    wanted = [sample.text for prompt in prompts for sample in expected(api, prompt, n=2)]
    assert [choice.text for choice in answer.choices] == wanted
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_token_ids_are_read_as_they_are(api: Api) -> None:
    tokenizer = api.pipeline().pair.members[Source.ALIGNED].tokenizer
    ids = tokenizer.encode_context(BEGUN)
    one = api.openai().completions.create(**asked(ids))
    many = api.openai().completions.create(**asked([ids, ids]))
    [sample] = expected(api, TokenIds(tuple(ids)))
    assert one.choices[0].text == sample.text
    assert [choice.text for choice in many.choices] == [sample.text, sample.text]
    assert one.usage is not None
    assert one.usage.prompt_tokens == len(ids)


def test_echo_begins_with_the_prompt_and_scores_its_tokens(api: Api) -> None:
    answer = api.openai().completions.create(**asked(echo=True, logprobs=2))
    choice = answer.choices[0]
    [sample] = expected(api)
    assert choice.text == BEGUN + sample.text
    logprobs = choice.logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert logprobs.text_offset is not None
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset)
    assert answer.usage is not None
    assert len(logprobs.tokens) == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert logprobs.token_logprobs[0] is None
    assert all(value is not None and value <= 0 for value in logprobs.token_logprobs[1:])
    sources = logprobs.sources  # type: ignore[attr-defined]
    assert sources[: answer.usage.prompt_tokens] == [None] * answer.usage.prompt_tokens


def test_offsets_say_where_each_token_stands_in_the_text(api: Api) -> None:
    answer = api.openai().completions.create(**asked(echo=True, logprobs=1, max_tokens=12))
    choice = answer.choices[0]
    assert choice.logprobs is not None
    for token, place in zip(choice.logprobs.tokens or [], choice.logprobs.text_offset or [], strict=True):
        if not token.startswith("<|"):
            assert choice.text[place : place + len(token)] == token


def test_the_prompt_alone_can_be_scored(api: Api) -> None:
    answer = api.openai().completions.create(**asked(echo=True, logprobs=0, max_tokens=0))
    choice = answer.choices[0]
    assert choice.text == BEGUN
    assert choice.logprobs is not None
    assert len(choice.logprobs.tokens or []) == answer.usage.prompt_tokens  # type: ignore[union-attr]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_can_be_echoed_and_nothing_else(api: Api, stream: bool) -> None:
    given = asked([BEGUN, "Two"], echo=True, max_tokens=0, n=2)
    answer = api.http().post("/v1/completions", json=given | {"stream": stream})
    assert answer.status_code == 200, answer.text
    lines = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    parts = [json.loads(line) for line in lines] if stream else [answer.json()]
    choices = [choice for part in parts for choice in part["choices"]]
    assert [choice["text"] for choice in choices] == [BEGUN, BEGUN, "Two", "Two"]
    assert all(choice["logprobs"] is None for choice in choices)


def test_scores_of_a_prompt_are_those_of_writing_it(api: Api) -> None:
    client = api.openai()
    ids = api.pipeline().pair.members[Source.ALIGNED].tokenizer.encode_context(BEGUN)
    given = {"model": "tiny:aligned", "logprobs": 0, "temperature": 0}
    chunks = list(client.completions.create(**asked(ids, **given), stream=True))
    parts = [chunk.choices[0] for chunk in chunks if chunk.choices[0].logprobs]
    written = [part.baco["token_id"] for part in parts]  # type: ignore[attr-defined]
    told = [part.logprobs.token_logprobs[0] for part in parts]  # type: ignore[union-attr, index]
    again = client.completions.create(**asked([*ids, *written], **given | {"echo": True, "max_tokens": 0}))
    assert again.choices[0].logprobs is not None
    assert (again.choices[0].logprobs.token_logprobs or [])[len(ids) :] == pytest.approx(told, abs=1e-3)


def test_integer_logprobs_list_so_many_likely_tokens(api: Api) -> None:
    logprobs = api.openai().completions.create(**asked(logprobs=3)).choices[0].logprobs
    assert logprobs is not None
    assert all(len(top) == 3 for top in logprobs.top_logprobs or [{}])
    none = api.openai().completions.create(**asked(logprobs=0)).choices[0].logprobs
    assert none is not None
    assert none.top_logprobs is None


@pytest.mark.parametrize(
    "fields", [{}, {"echo": True}, {"echo": True, "logprobs": 2}, {"logprobs": 1, "n": 2}]
)
def test_a_stream_says_the_same_as_a_whole_answer(api: Api, fields: dict[str, Any]) -> None:
    client = api.openai()
    whole = client.completions.create(**asked(**fields))
    texts: dict[int, str] = {}
    tokens: dict[int, list[str]] = {}
    places: dict[int, list[int]] = {}
    reasons = {}
    for chunk in client.completions.create(**asked(**fields), stream=True):
        Completion.model_validate(chunk.model_dump())
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + choice.text
            reasons[choice.index] = choice.finish_reason
            if choice.logprobs is not None:
                tokens.setdefault(choice.index, []).extend(choice.logprobs.tokens or [])
                places.setdefault(choice.index, []).extend(choice.logprobs.text_offset or [])
    for choice in whole.choices:
        assert texts[choice.index] == choice.text
        assert reasons[choice.index] == choice.finish_reason
        if choice.logprobs is not None:
            assert tokens[choice.index] == choice.logprobs.tokens
            assert places[choice.index] == choice.logprobs.text_offset


def test_an_answer_is_what_the_openapi_document_says(api: Api) -> None:
    answer = api.http().post("/v1/completions", json=asked(logprobs=2, n=2, best_of=2, baco={"trace": True}))
    assert answer.status_code == 200, answer.text
    Completion.model_validate(answer.json())


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, None),
        ({"prompt": []}, "prompt"),
        ({"prompt": [1, "a"]}, "prompt[1]"),
        ({"prompt": [99999]}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"best_of": 3}, "best_of"),
        ({"suffix": "x"}, "suffix"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(api: Api, fields: dict[str, Any], param: str | None) -> None:
    answer = api.http().post("/v1/completions", json=asked() | fields)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_the_async_client_streams(api: Api) -> None:
    import asyncio

    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="x", max_retries=0) as client:
            stream = await client.completions.create(**asked(), stream=True)
            return "".join([chunk.choices[0].text async for chunk in stream])

    [sample] = expected(api)
    assert asyncio.run(ask()) == sample.text
