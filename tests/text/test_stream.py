"""Text streams: any cut of the bytes gives the same text, and a stop string ends it at the same place."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baco_core.errors import ConfigError
from baco_core.stream import TextStream

LETTERS = "ab é🙂\n"
BYTES = st.one_of(st.binary(), st.text(LETTERS).map(str.encode), st.text().map(str.encode))
STOPS = st.lists(st.text(LETTERS, min_size=1, max_size=5), max_size=5)


def cuts(data: bytes, seed: int) -> list[bytes]:
    """Cut bytes at random places; pieces may be empty."""
    chance = np.random.default_rng(seed)
    chosen = sorted(chance.integers(0, len(data) + 1, size=chance.integers(0, 13)).tolist())
    return [data[start:end] for start, end in zip([0, *chosen], [*chosen, len(data)], strict=True)]


def streamed(pieces: Sequence[bytes], stop: Sequence[str] = ()) -> list[str]:
    """Push the pieces one by one, then close."""
    stream = TextStream(stop)
    return [*(stream.push(piece) for piece in pieces), stream.close()]


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The rule by the letter: the first end of any stop string, and of those that end there the longest."""
    for end in range(len(text) + 1):
        ending = [string for string in stop if text[:end].endswith(string)]
        if ending:
            return text[: end - max(map(len, ending))]
    return text


@settings(max_examples=500, deadline=None)
@given(data=BYTES, seed=st.integers(0, 2**32))
def test_any_cut_of_any_bytes_gives_the_text_of_the_whole(data: bytes, seed: int) -> None:
    assert "".join(streamed(cuts(data, seed))) == data.decode("utf-8", errors="replace")


@settings(max_examples=1000, deadline=None)
@given(data=BYTES, stop=STOPS, seed=st.integers(0, 2**32))
def test_any_cut_stops_where_the_rule_says(data: bytes, stop: list[str], seed: int) -> None:
    expected = cut_at_stop(data.decode("utf-8", errors="replace"), stop)
    assert "".join(streamed(cuts(data, seed), stop)) == expected


@settings(max_examples=300, deadline=None)
@given(data=st.text(LETTERS).map(str.encode), stop=STOPS, seed=st.integers(0, 2**32))
def test_nothing_is_held_back_that_cannot_begin_a_stop_string(
    data: bytes, stop: list[str], seed: int
) -> None:
    stream, shown, read = TextStream(stop), "", b""
    for piece in cuts(data, seed):
        shown, read = shown + stream.push(piece), read + piece
        held = read.decode("utf-8", errors="ignore").removeprefix(shown)
        if stream.stopped:
            break
        assert held == "" or any(string.startswith(held) for string in stop)


def test_a_character_comes_with_its_last_byte() -> None:
    assert streamed([b"a\xf0", b"\x9f\x99", b"\x82b"]) == ["a", "", "🙂b", ""]


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    assert streamed([b"\xff", b"a\xe2\x82", b"b\xc3"]) == ["�", "a", "�b", "�"]


def test_a_stop_string_over_several_tokens_is_found_and_nothing_follows() -> None:
    stream = TextStream(["\nUser:"])
    assert [stream.push(piece) for piece in (b"Hi", b"!\n", b"Us", b"er: more", b"more")] == [
        "Hi",
        "!",
        "",
        "",
        "",
    ]
    assert stream.stopped
    assert stream.close() == ""


def test_text_that_turns_out_not_to_be_a_stop_string_is_shown() -> None:
    assert streamed([b"a###", b"#", b" b", b"##"], ["####!"]) == ["a", "", "#### b", "", "##"]


def test_of_two_stop_strings_the_one_that_is_complete_first_counts() -> None:
    assert "".join(streamed([b"one two three"], ["two three", "tw"])) == "one "


def test_of_two_that_end_together_the_longer_counts() -> None:
    assert "".join(streamed([b"one two three"], ["o", "two"])) == ""
    assert "".join(streamed([b"1 two three"], ["wo", "two"])) == "1 "


def test_a_stop_string_may_be_completed_by_the_end() -> None:
    stream = TextStream(["�"])
    assert stream.push(b"a\xe2\x82") == "a"
    assert stream.close() == ""
    assert stream.stopped


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"decode.stop\[1\]: an empty stop string"):
        TextStream(["a", ""])


def test_a_hundred_thousand_stop_strings_are_not_slow() -> None:
    letters = np.random.default_rng(7).choice(list("abcdefgh "), size=(102_000, 30))
    stop = ["".join(row) for row in letters[:100_000]]
    text = "".join(letters[100_000:].ravel())
    pieces = [text[start : start + 4].encode() for start in range(0, 8000, 4)]
    before = time.process_time()
    stream = TextStream(stop)
    for piece in pieces:
        stream.push(piece)
    assert time.process_time() - before < 2.0
    assert not stream.stopped


def test_a_stop_string_that_nearly_matches_everywhere_is_not_slow() -> None:
    before = time.process_time()
    stream = TextStream(["a" * 20_000 + "b"])
    for _ in range(50):
        stream.push(b"a" * 1000 + b"c")
    assert time.process_time() - before < 2.0
