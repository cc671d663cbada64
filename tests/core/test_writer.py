"""From steps to events and a sample: stop strings, ends, counts, and what a trace shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from baco_core.decode import Step
from baco_core.events import Sample, TokenEvent
from baco_core.exchange import BLOCK_BYTES, Retokenised, SharedTokens
from baco_core.lane import Lane, Prefix
from baco_core.pick import log_softmax_at
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel
from baco_core.writer import Writer, top_tokens
from tests.core.worlds import read

BASE, ALIGNED = Source.BASE, Source.ALIGNED
ROW = np.array([1000.0, 999.0, -1000.0], np.float32)


def lanes() -> dict[Source, Lane]:
    return {
        source: Lane(Prefix(FakeModel(seed, 5), (1, 2), 9, source), SharedTokens())
        for seed, source in enumerate(Source)
    }


def steps(*pieces: str, ended: bool = False, full: bool = False) -> Iterator[Step]:
    """Steps that alternate between base and aligned; the last one ends the text."""
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        source = ALIGNED if position % 2 else BASE
        yield Step(position, 0, source, piece.encode(), ROW, None, ended and last, full and last)


def written(
    found: Iterator[Step], *stop: str, following: dict[Source, Lane] | None = None, trace: int = 0
) -> tuple[list[TokenEvent], Sample]:
    writer = Writer(4, following or lanes(), stop, 7, trace)
    events = []
    for step in found:
        events.append(writer.write(step))
        if events[-1].finish_reason is not None:
            break
    return events, writer.sample()


@pytest.mark.parametrize(
    ("pieces", "stop", "text", "read"),
    [
        (("One", " END", " two"), ("END",), "One ", 2),
        (("One", " E", "N", "D two", " three"), ("END",), "One ", 4),
        (("One", " E", "N", " two"), ("END",), "One EN two", 4),
        (("One", " E", "N"), ("END",), "One EN", 3),
    ],
)
def test_a_stop_string_over_several_tokens_ends_the_text(
    pieces: tuple[str, ...], stop: tuple[str, ...], text: str, read: int
) -> None:
    events, sample = written(steps(*pieces, full=True), *stop)
    assert sample.text == text == "".join(event.text for event in events)
    assert len(events) == read == sample.usage.completion_tokens
    assert sample.finish_reason == ("stop" if text == "One " else "length")
    assert [event.finish_reason for event in events] == [None] * (read - 1) + [sample.finish_reason]


@pytest.mark.parametrize(
    ("ended", "full", "reason"), [(True, False, "stop"), (False, True, "length"), (True, True, "stop")]
)
def test_a_text_says_why_it_ended(ended: bool, full: bool, reason: str) -> None:
    _, sample = written(steps("a", "b", ended=ended, full=full))
    assert sample.finish_reason == reason


def test_nothing_is_read_after_the_end() -> None:
    found = steps("a", "STOP", "b", "c")
    written(found, "STOP")
    assert next(found).position == 2


def test_counts_belong_to_each_source() -> None:
    following = lanes()
    read(following[BASE])
    following[BASE].transcript.wrote(1)
    read(following[BASE])
    read(following[ALIGNED])
    _, sample = written(steps("a", "b", "c", full=True), following=following)
    usage = sample.usage
    assert sample.index == 4
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)
    assert (usage.base_tokens, usage.aligned_tokens, usage.base_share) == (2, 1, 2 / 3)
    assert (usage.base_forwards, usage.aligned_forwards) == (2, 1)


def test_logprobs_are_those_of_the_raw_softmax_for_large_logits_too() -> None:
    events, _ = written(steps("a", full=True))
    assert events[0].logprob == pytest.approx(-np.log(1 + np.exp(-1)))
    assert log_softmax_at(ROW, [1])[0] == pytest.approx(-1 - np.log(1 + np.exp(-1)))


def test_a_trace_shows_what_each_model_would_have_said_before_the_token() -> None:
    rows = {source: np.roll(ROW, shift) for shift, source in enumerate(Source)}
    (step,) = steps("a", full=True)
    events, _ = written(iter([replace(step, rows=rows)]), trace=2)
    assert events[0].top == tuple((source, top_tokens(row, 2)) for source, row in rows.items())


def test_how_many_tokens_a_text_has_at_most_is_told_without_encoding() -> None:
    def encode(data: bytes) -> list[int]:
        raise AssertionError("nobody asked for tokens")

    transcript = Retokenised(encode, b" ")
    transcript.heard(0, b"house", begins_word=True)
    assert transcript.most_tokens() == 6


def test_a_block_of_heard_text_ends_only_where_a_word_does() -> None:
    encoded: list[bytes] = []

    def encode(data: bytes) -> list[int]:
        encoded.append(data)
        return [len(data)]

    transcript = Retokenised(encode)
    transcript.heard(0, b"x" * BLOCK_BYTES, begins_word=True)
    transcript.heard(0, b"y", begins_word=False)
    assert transcript.tokens() == [BLOCK_BYTES + 1]
    transcript.heard(0, b" z", begins_word=True)
    assert transcript.tokens() == [BLOCK_BYTES + 1, 2]
    assert encoded == [b"x" * BLOCK_BYTES + b"y", b" z"]
