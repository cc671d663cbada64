"""The server keeps to its own OpenAPI document, whatever is asked, and its parser never breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_world import Api, chat, running
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from baco_server.api.body import parse
from baco_server.api.errors import ApiError
from baco_server.api.fields_chat import ChatRequest
from baco_server.api.fields_completions import CompletionRequest

schemathesis = pytest.importorskip(
    "schemathesis", reason="holds the server to its document; part of baco[dev]"
)

MEANING = pytest.importorskip("schemathesis.specs.openapi.checks").positive_data_acceptance
"""Left out: turns out of order or a prompt that is too long are refused for what they say."""
KEY = "a-key-of-the-tests"
OPERATIONS = [
    ("GET", "/health"),
    ("GET", "/version"),
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/v1/routers"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
]


@pytest.fixture(scope="module")
def locked() -> Iterator[Api]:
    """A server with a key, so that what the document says of keys is tried as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYS_OF_THE_TESTS", KEY)
        with running(
            {"api_keys_env": "KEYS_OF_THE_TESTS"}, {"tiny": {"decode": {"max_new_tokens": 3}}}
        ) as api:
            yield api


@pytest.fixture(scope="module")
def schema(locked: Api) -> Any:
    return schemathesis.openapi.from_url(f"{locked.url}/openapi.json")


def test_the_document_lists_every_route(schema: Any) -> None:
    listed = {(result.ok().method.upper(), result.ok().path) for result in schema.get_all_operations()}
    assert listed == set(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_breaks_the_server_and_every_answer_fits_the_document(
    schema: Any, method: str, path: str
) -> None:
    examples = 40 if method == "POST" else 8
    operation = schema[path][method]

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            if mode is schemathesis.GenerationMode.NEGATIVE and method == "GET":
                continue
            case = data.draw(operation.as_strategy(generation_mode=mode))
            if mode is schemathesis.GenerationMode.POSITIVE and isinstance(case.body, dict):
                case.body = {**case.body, "model": "tiny", "max_tokens": 2}  # else nearly all ask for nobody
            headers = {"Authorization": f"Bearer {KEY}"}
            case.call_and_validate(headers=headers, timeout=60, excluded_checks=[MEANING])

    ask()


KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["tiny", "tiny:base", "calm@p", "tiny@rand"]),
    "max_tokens": st.integers(-1, 3),
    "n": st.one_of(st.integers(-1, 3), st.floats()),
    "seed": st.integers(-1, 2**65),
    "temperature": st.floats(-1, 3),
    "top_p": st.floats(-0.1, 1.1),
    "top_k": st.integers(-2, 50),
    "min_p": st.floats(0, 1.1),
    "stop": st.one_of(st.text(max_size=3), st.lists(st.text(max_size=3), max_size=3)),
    "stream": st.booleans(),
    "logprobs": st.one_of(st.booleans(), st.integers(-1, 21)),
    "top_logprobs": st.integers(0, 21),
    "logit_bias": st.dictionaries(st.integers(0, 2100).map(str), st.floats(-101, 101), max_size=3),
    "presence_penalty": st.floats(-3, 3),
    "repetition_penalty": st.floats(0, 3),
    "echo": st.booleans(),
    "baco": st.fixed_dictionaries(
        {},
        optional={
            "router": st.sampled_from(["p", "h", "punc", "rand", "chain", "judge", "nobody"]),
            "gamma": st.one_of(st.floats(-1, 3), st.sampled_from([".inf", "-.inf", "x"])),
            "options": st.dictionaries(
                st.sampled_from(["gamma", "probe", "x"]), st.one_of(st.floats(), st.text())
            ),
            "trace": st.booleans(),
            "switch_at": st.sampled_from(["word", "token", "never"]),
            "schedule": st.sampled_from(["plain", "lazy", "speculative", "auto", "fast"]),
        },
    ),
}
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
REQUESTS = st.fixed_dictionaries({}, optional=KNOWN)


@pytest.mark.slow
@given(
    fields=REQUESTS, prompt=st.text(max_size=12), path=st.sampled_from(["chat/completions", "completions"])
)
@settings(max_examples=120, suppress_health_check=list(HealthCheck))
def test_fields_in_any_company_are_answered_or_refused(api: Api, fields: Any, prompt: str, path: str) -> None:
    asked = chat(prompt) if path.startswith("chat") else {"model": "tiny", "prompt": prompt, "max_tokens": 3}
    content = json.dumps({**asked, **fields}, allow_nan=True).encode("utf-8", "surrogatepass")
    answer = api.http().post(f"/v1/{path}", content=content)
    assert answer.status_code in (200, 400, 403, 404), answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


@given(body=st.one_of(st.binary(max_size=200), ANYTHING.map(lambda data: json.dumps(data).encode())))
@settings(max_examples=400)
def test_any_bytes_are_a_request_or_a_400(body: bytes) -> None:
    for model in (ChatRequest, CompletionRequest):
        error = complaint(body, model)
        assert error is None or (error.status_code == 400 and "\n" not in error.detail)


def complaint(body: bytes, model: Any) -> ApiError | None:
    """Return what is wrong with a body, if anything is."""
    try:
        assert isinstance(parse(body, model), model)
    except ApiError as error:
        return error
    return None


@given(
    name=st.sampled_from(sorted({**ChatRequest.model_fields, **CompletionRequest.model_fields})),
    value=ANYTHING,
    completion=st.booleans(),
)
@settings(max_examples=600)
def test_any_value_of_any_field_is_taken_or_refused_by_its_name(
    name: str, value: Any, completion: bool
) -> None:
    model = CompletionRequest if completion else ChatRequest
    asked = {"model": "tiny", "prompt": "x"} if completion else chat()
    error = complaint(json.dumps({**asked, name: value}).encode(), model)
    if error is not None and not any(word in json.dumps(value) for word in ("NaN", "Infinity")):
        assert error.status_code == 400
        assert error.param is not None
        assert error.param.partition(".")[0].partition("[")[0] == name
