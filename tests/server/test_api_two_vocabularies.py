"""A pair whose models have a vocabulary each: what a token id means, and what is refused for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import made_bundle
import pytest
from api_world import Api, chat, running

from baco_core.source import Source
from baco_core.testing.fakes import WORDS

BASE_WORDS = (" ship", " the", " sails", " home")
EITHER = " the"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = made_bundle.write_bundle(tmp_path_factory.mktemp("two") / "two", base_words=BASE_WORDS)
    with running(pairs={"two": {"pair": {"bundle": str(folder)}, "backend": {"use": "made"}}}) as found:
        assert found.pipeline("two").pair.exchange == "text"
        yield found


def ask(api: Api, **more: Any) -> Any:
    return api.http().post("/v1/chat/completions", json=chat(**{"model": "two", "max_tokens": 4, **more}))


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    "fields",
    [{}, {"model": "two@p"}, {"baco": {"router": "rand"}}, {"model": "two@p", "baco": {"gamma": 0}}],
)
def test_a_bias_is_refused_where_both_models_may_write(api: Api, fields: dict[str, Any]) -> None:
    answer = ask(api, logit_bias={"256": 100}, **fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == "logit_bias"
    assert error["message"] == (
        "logit_bias: two has two vocabularies, so a token id means two things; use it with two:base or "
        "two:aligned."
    )


@pytest.mark.parametrize(("source", "words"), [("base", BASE_WORDS), ("aligned", WORDS)])
def test_a_bias_counts_in_the_vocabulary_of_the_model_that_writes_alone(
    api: Api, source: str, words: tuple[str, ...]
) -> None:
    number = words.index(EITHER)
    for fields in ({"model": f"two:{source}"}, {"baco": {"router": source}}):
        text = text_of(ask(api, logit_bias={str(256 + number): 100}, **fields))
        assert text.split() == [EITHER.strip()] * 4
    beyond = ask(api, model=f"two:{source}", logit_bias={str(256 + len(words) + 1): 1})
    assert beyond.status_code == 400
    last = 256 + len(words)
    assert beyond.json()["error"]["message"].endswith(f"there is no token {last + 1}; the last is {last}.")


def test_a_bias_of_no_token_is_none(api: Api) -> None:
    assert text_of(ask(api, logit_bias={})) == text_of(ask(api))


def test_ids_of_a_prompt_are_those_of_the_aligned_model(api: Api) -> None:
    tokenizer = api.pipeline("two").pair.members[Source.ALIGNED].tokenizer
    body = {"model": "two", "max_tokens": 6, "seed": 1, "echo": True}
    texts = [
        api.http().post("/v1/completions", json={**body, "prompt": prompt}).json()["choices"][0]["text"]
        for prompt in (list(tokenizer.encode_text(b" the cat")), " the cat")
    ]
    assert texts[0] == texts[1]
    refused = api.http().post("/v1/completions", json={**body, "prompt": [256 + len(WORDS) + 1]})
    assert refused.json()["error"]["param"] == "prompt"


def test_who_may_change_at_every_token_needs_one_vocabulary(api: Api) -> None:
    for baco, param in (({"switch_at": "token"}, "baco.switch_at"), ({"router": "ensemble"}, "baco.router")):
        answer = ask(api, baco=baco)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param
