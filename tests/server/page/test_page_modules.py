"""What the page's modules compute, with nothing but Node: streams, words, figures, links, commands."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_node import Node

from baco_eval.metrics.lexical import Distinct2
from baco_eval.metrics.words import words

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
BREAKS = st.sampled_from(["\n", "\r\n", "\r"])
TEXTS = st.text(st.sampled_from("aábBç12 '-.,\n東京ひらがな แมว нет עברית 👩‍🚀é"), max_size=60)


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """Draw the text of a stream and the events in it."""
    text, events = "", []
    ending = draw(BREAKS)
    for _ in range(draw(st.integers(0, 5))):
        name, data = draw(st.sampled_from(["", "error", "x"])), draw(st.lists(LINES, max_size=3))
        fields = [f"data:{' ' if draw(st.booleans()) or line.startswith(' ') else ''}{line}" for line in data]
        fields += [f"event: {name}"] if name else []
        fields = [
            line for field in fields for line in (field, *draw(st.lists(st.just(": comment"), max_size=1)))
        ]
        text += "".join(line + ending for line in [*fields, ""])
        if data:
            events.append([name or "message", "\n".join(data)])
    return text, events


@shared
@given(stream=streams(), sizes=st.lists(st.integers(0, 9), max_size=80))
def test_a_stream_holds_the_same_events_wherever_its_bytes_are_cut(
    node: Node, stream: tuple[str, list[list[str]]], sizes: list[int]
) -> None:
    text, events = stream
    if text.startswith("\ufeff"):
        return
    assert node("sse", base64.b64encode(text.encode()).decode(), sizes) == events


def test_an_event_without_its_blank_line_is_dropped(node: Node) -> None:
    data = base64.b64encode(b"data: a\n\ndata: b\n").decode()
    assert node("sse", data, []) == [["message", "a"]]


@shared
@given(text=TEXTS)
def test_words_are_those_of_our_metrics(node: Node, text: str) -> None:
    assert node("words", text) == words(text)


@shared
@given(texts=st.lists(TEXTS.filter(lambda text: len(words(text)) > 1), min_size=1, max_size=4))
def test_distinct_2_is_that_of_our_metrics(node: Node, texts: list[str]) -> None:
    common = min(max(len(words(text)), 20) for text in texts)
    found = node("diversity", texts)
    assert found["cut"] == common
    assert found["distinct2"] == pytest.approx(Distinct2(words=common).diversity(cut_to(texts, common)))


def cut_to(texts: list[str], count: int) -> list[str]:
    """Return texts of as many words at most."""
    return [" ".join(words(text)[:count]) for text in texts]


@pytest.mark.parametrize(
    ("texts", "distance"),
    [
        (["a b c", "a b c"], 0.0),
        (["a b", "c d"], 1.0),
        (["a b", "b c"], 2 / 3),
        (["a b", "b c", "x"], (2 / 3 + 1 + 1) / 3),
        (["a b"], None),
        ([], None),
    ],
)
def test_word_distance_is_the_mean_jaccard_distance_of_all_pairs(
    node: Node, texts: list[str], distance: float | None
) -> None:
    assert node("diversity", texts)["distance"] == (None if distance is None else pytest.approx(distance))


def token(text: str, source: str | None, **trace: Any) -> dict[str, Any]:
    """Return a chunk of a completion with one token."""
    baco = {"baco": {"source": source, **trace}} if source else {}
    return {"choices": [{"index": 0, "text": text, "finish_reason": None, **baco}]}


ONE = {"n": 1, "mode": "prompt"}


def test_words_end_at_spaces_at_other_authors_and_where_the_router_decided(node: Node) -> None:
    chunks = [
        token("A", "base", signal=0.1, reason="p"),
        token(" light", "base", signal=0.2, reason="p"),
        token("house", "base"),
        token("s", "aligned"),
        token("", "aligned"),
        token(".", "aligned", reason="punctuation"),
        token("\n\n", "aligned"),
        token("It", "aligned"),
    ]
    sample = node("run", ONE, chunks)["samples"][0]
    assert sample["words"] == [
        ["base", "A"],
        ["base", " lighthouse"],
        ["aligned", "s"],
        ["aligned", "."],
        ["aligned", "\n\n"],
        ["aligned", "It"],
    ]
    assert (sample["tokens"], sample["share"], sample["finish"]) == (8, 3 / 8, "cut")


def test_text_that_was_held_back_is_its_authors_and_no_token(node: Node) -> None:
    chunks = [token("so", "base", signal=1.0), token(" far", None)]
    sample = node("run", ONE, chunks)["samples"][0]
    assert (sample["text"], sample["tokens"], sample["share"]) == ("so far", 1, 1.0)
    assert {source for source, _ in sample["words"]} == {"base"}


def test_the_servers_own_base_share_stands_at_the_end(node: Node) -> None:
    last = {"choices": [{"index": 0, "text": "", "finish_reason": "stop", "baco": {"base_share": 0.25}}]}
    found = node("run", ONE, [token("a", "base"), last])["samples"][0]
    assert (found["share"], found["finish"]) == (0.25, "stop")


def test_speed_is_counted_from_the_first_token_to_the_last(node: Node) -> None:
    found = node("run", ONE, [token(" a", "base") for _ in range(11)])
    assert (found["wait"], found["speed"]) == (1.0, 11.0)


def test_a_chat_tells_its_tokens_in_deltas_or_in_logprobs(node: Node) -> None:
    entries = [{"token": "a", "source": "base", "baco": {"signal": 1}}, {"token": "b", "source": "aligned"}]
    both = {"choices": [{"delta": {"content": "ab"}, "logprobs": {"content": entries}}]}
    assert [one["source"] for one in node("choices", both)[0]["tokens"]] == ["base", "aligned"]
    delta = {"choices": [{"delta": {"content": "a", "baco": {"source": "base", "signal": 1.5}}}]}
    (found,) = node("choices", delta)[0]["tokens"]
    assert (found["source"], found["trace"]["signal"]) == ("base", 1.5)


SETTINGS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["prompt", "chat"]),
        "prompt": st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    },
    optional={
        "gamma": st.floats(-1000, 1000),
        "n": st.integers(1, 8),
        "seed": st.integers(0, 2**53 - 1),
        "options": st.dictionaries(st.sampled_from(["probe", "a&b", "ü"]), LINES, min_size=1),
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": LINES}),
            min_size=1,
        ),
    },
)


@shared
@given(given_settings=SETTINGS)
def test_a_link_brings_its_settings_back(node: Node, given_settings: dict[str, Any]) -> None:
    prompt = given_settings["prompt"]
    assert node("link", given_settings) == {**given_settings, "prompt": prompt}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0.3", "0.3"), (" -1 ", "-1"), (".5", "0.5"), ("1.", "1"), ("2e-3", "0.002"), ("0,25", "0.25")),
        *((text, "∞") for text in ("∞", "inf", ".inf", "+Inf", "Infinity")),
        *((text, "−∞") for text in ("−∞", "-inf", "-.inf", "−Infinity")),
        *((text, None) for text in ("", "-", "abc", "1 2", "1e", "0x10", "nan", "info")),
    ],
)
def test_a_number_is_read_as_people_write_it(node: Node, text: str, number: str | None) -> None:
    assert node("number", text) == number


@pytest.mark.parametrize(("gamma", "name"), [(".inf", "∞"), ("-.inf", "−∞")])
def test_infinity_goes_into_links_and_requests_and_comes_back(node: Node, gamma: str, name: str) -> None:
    assert node("told", gamma) == name
    opened = f"gamma={gamma}"
    assert node("reopened", opened) == opened
    asked = {"mode": "prompt", "router": "h", "options": {}}
    assert node("asked", asked, opened)["baco"]["gamma"] == gamma


def test_a_link_holds_no_key_and_nothing_empty(node: Node) -> None:
    fragment = node("fragment", {"prompt": "a b", "gamma": None, "key": "secret", "options": {}, "seed": 0})
    assert parse_qs(fragment) == {"prompt": ["a b"], "seed": ["0"]}


@shared
@given(fragment=st.text(st.sampled_from('#&=%{}[]":ngammseedoptionsmessages0129.eE+-\\ü'), max_size=60))
def test_a_damaged_link_is_no_error(node: Node, fragment: str) -> None:
    found = node("opened", fragment)
    assert all(isinstance(found.get(name, 0), int | float) for name in ("n", "seed", "gamma"))


def test_the_turns_of_a_link_are_texts_by_user_or_assistant(node: Node) -> None:
    turns = [{"role": "user", "content": "a", "more": 1}, {"role": "root", "content": "b"}, 3, None]
    found = node("opened", node("fragment", {"messages": turns}))
    assert found["messages"] == [{"role": "user", "content": "a"}]


@settings(shared, max_examples=15)
@given(prompt=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_the_copied_command_says_the_same_to_a_shell(node: Node, prompt: str) -> None:
    body = {"prompt": prompt, "stream": True}
    command = node("curl", "http://127.0.0.1:1/v1/completions", body, False)
    shell = ["bash", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}; {command}"]
    done = subprocess.run(shell, capture_output=True, check=True, timeout=20)
    arguments = done.stdout.decode().split("\0")
    assert json.loads(arguments[arguments.index("-d") + 1]) == body
    assert arguments[1] == "http://127.0.0.1:1/v1/completions"


def test_the_copied_command_names_the_key_and_does_not_show_it(node: Node) -> None:
    assert '"Authorization: Bearer $BACO_API_KEY"' in node("curl", "http://a/", {}, True)


def test_a_request_says_who_decides_and_asks_for_the_trace(node: Node) -> None:
    asked = {"mode": "chat", "pair": "tiny", "router": "p", "gamma": 0.2, "options": {}, "n": 2, "seed": 3}
    body = node("body", {**asked, "system": "Be brief."}, [{"role": "user", "content": "Hi"}])
    assert body["baco"] == {"router": "p", "gamma": 0.2, "trace": True}
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert (body["model"], body["n"], body["seed"], body["stream"]) == ("tiny", 2, 3, True)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "wait"),
    [
        (401, {}, '{"error": {"message": "No key."}}', "key", None),
        (429, {"retry-after": "7"}, '{"error": {"message": "Full."}}', "busy", 7),
        (429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", "busy", 1),
        (429, {"retry-after": "soon"}, "", "busy", 5),
        (503, {"retry-after": "100000"}, "", "closing", 600),
        (400, {}, '{"error": {"message": "n is 0.", "param": "n"}}', "refused", None),
        (502, {}, "<html>", "server", None),
    ],
)
def test_a_refusal_is_told_with_what_can_be_done(
    node: Node, status: int, headers: dict[str, str], body: str, kind: str, wait: int | None
) -> None:
    found = node("failure", status, headers, body)
    assert (found["kind"], found["wait"]) == (kind, wait)
    assert found["title"]
    assert found["message"]
