"""Long contexts are read in chunks, and what was read of one is of use to the next that begins alike."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.lane import CHUNK, Prefix, Reading, common_length
from baco_core.prefixes import PrefixCache
from baco_core.scheduler import within_a_pass
from baco_core.testing.fakes import FakeModel
from tests.core.worlds import BASE, SHARED


def model(*, exact: bool = True) -> FakeModel:
    return FakeModel(1, SHARED.size, exact=exact)


def chunk(prefix: Prefix) -> int:
    """Read what is to be read next; return how many tokens that were."""
    reading = prefix.reading()
    assert reading is not None
    reading.take(reading.sequence.prefill(reading.token_ids))
    return len(reading.token_ids)


def whole(prefix: Prefix) -> list[int]:
    """Read all there is; return the sizes of the chunks."""
    sizes = []
    while prefix.fork() is None:
        sizes.append(chunk(prefix))
    return sizes


def ids(count: int, first: int = 0) -> list[int]:
    return [(first + at) % 250 for at in range(count)]


def test_a_context_is_read_in_chunks_and_gives_the_row_after_all_of_it() -> None:
    one, token_ids = model(), ids(2 * CHUNK + 3)
    prefix = Prefix(one, token_ids, 1, BASE)
    assert whole(prefix) == [CHUNK, CHUNK, 3]
    forked = prefix.fork()
    assert forked is not None
    sequence, row, _ = forked
    assert sequence.length == len(token_ids)
    assert (row == one.row(token_ids)).all()
    assert prefix.reading() is None


def test_nothing_more_is_handed_out_while_a_chunk_is_being_read() -> None:
    prefix = Prefix(model(), ids(CHUNK + 1), 1, BASE)
    assert prefix.reading() is not None
    assert prefix.reading() is None
    prefix.put_off()
    assert prefix.reading() is not None


def test_the_passes_of_all_chunks_count_for_the_first_who_forks() -> None:
    prefix = Prefix(model(), ids(3 * CHUNK), 1, BASE)
    for _ in range(3):
        chunk(prefix)
    forks = prefix.fork(), prefix.fork()
    assert [fork[2] for fork in forks if fork] == [3, 0]


def test_what_was_read_of_a_context_that_nobody_waits_for_is_kept() -> None:
    cache, one = PrefixCache(4), model()
    left = cache.prefix(one, ids(4 * CHUNK), 1, BASE)
    chunk(left)
    chunk(left)
    again = cache.prefix(one, ids(4 * CHUNK), 1, BASE)
    assert whole(again) == [CHUNK, CHUNK]
    assert again.begun == 2 * CHUNK


def test_a_context_that_was_put_off_begins_with_what_others_have_read_meanwhile() -> None:
    cache, one = PrefixCache(4), model()
    first, second = (cache.prefix(one, [*ids(3 * CHUNK), 7, last], 1, BASE) for last in (1, 2))
    assert second.reading() is not None
    second.put_off()
    whole(first)
    assert whole(second) == [1]
    assert second.begun == 3 * CHUNK + 1


def test_an_inexact_model_reads_the_same_chunks_every_time() -> None:
    cache, one = PrefixCache(4), model(exact=False)
    for _ in range(2):
        assert whole(cache.prefix(one, ids(2 * CHUNK + 9), 1, BASE)) == [CHUNK, CHUNK, 9]
    assert len(cache) == 0


def test_a_context_takes_the_place_of_what_it_goes_on_from() -> None:
    cache, one = PrefixCache(4), model()
    whole(cache.prefix(one, ids(20), 1, BASE))
    whole(cache.prefix(one, ids(60), 1, BASE))
    assert len(cache) == 1
    whole(cache.prefix(one, ids(30) + [9] * 9, 1, BASE))
    assert len(cache) == 2


def test_the_contexts_used_last_are_kept() -> None:
    cache, one = PrefixCache(2), model()
    for first in (0, 50, 100):
        whole(cache.prefix(one, ids(20, first), 1, BASE))
    assert whole(cache.prefix(one, ids(20, 50), 1, BASE)) == [1]
    whole(cache.prefix(one, ids(20, 150), 1, BASE))
    assert whole(cache.prefix(one, ids(20, 50), 1, BASE)) == [1]
    assert whole(cache.prefix(one, ids(20, 100), 1, BASE)) == [20]
    cache.clear()
    assert len(cache) == 0


def test_contexts_are_kept_as_long_as_their_tokens_fit() -> None:
    cache, one = PrefixCache(tokens=300), model()
    for first in (0, 50, 100):
        whole(cache.prefix(one, ids(20, first), 1, BASE))
    assert len(cache) == 2
    assert whole(cache.prefix(one, ids(20, 50), 1, BASE)) == [1]
    whole(cache.prefix(one, ids(400, 150), 1, BASE))
    assert len(cache) == 1  # the last one is kept however long it is
    assert whole(cache.prefix(one, ids(400, 150), 1, BASE)) == [1]


def test_what_is_sooner_read_than_copied_is_not_kept() -> None:
    cache, one = PrefixCache(tokens=8192), model()
    for _ in range(3):
        assert whole(cache.prefix(one, ids(8), 1, BASE)) == [8]
        assert whole(cache.prefix(one, ids(9), 1, BASE))[0] in (9, 1)
    assert len(cache) == 1


def test_the_last_context_of_each_model_is_kept_however_long() -> None:
    cache, models = PrefixCache(tokens=50), (model(), model())
    for first in (0, 100):
        for one in models:
            whole(cache.prefix(one, ids(60, first), 1, BASE))
    assert len(cache) == 2
    assert [whole(cache.prefix(one, ids(60, 100), 1, BASE)) for one in models] == [[1], [1]]


def test_no_tokens_keep_nothing() -> None:
    cache, one = PrefixCache(tokens=0), model()
    assert whole(cache.prefix(one, ids(20), 1, BASE)) == [20]
    assert whole(cache.prefix(one, ids(20), 1, BASE)) == [20]
    assert len(cache) == 0


@given(st.lists(st.integers(0, 2), max_size=40), st.lists(st.integers(0, 2), max_size=40))
def test_how_long_two_lists_are_equal(left: list[int], right: list[int]) -> None:
    slow = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    assert common_length(left, right) == (min(len(left), len(right)) if slow is None else slow)


@pytest.mark.parametrize(
    ("lengths", "kept"),
    [
        ([300, 300, 20], [0, 2]),
        ([CHUNK // 4] * 5, [0, 1, 2, 3]),
        ([300, 200, CHUNK - 200, 1], [0, 1, 2]),
        ([CHUNK, 1], [0]),
    ],
)
def test_a_pass_reads_a_chunk_of_one_long_context_and_a_chunk_of_short_ones(
    lengths: Sequence[int], kept: list[int]
) -> None:
    class Nobody:
        ended = False

        def advance(self) -> list[object]:
            return []

        def close(self) -> None:
            self.ended = True

    def reading(prefix: Prefix) -> Reading:
        found = prefix.reading()
        assert found is not None
        return found

    readers = [Nobody() for _ in lengths]
    prefixes = [Prefix(model(), ids(length), 1, BASE) for length in lengths]
    wanted = [(reader, reading(prefix)) for reader, prefix in zip(readers, prefixes, strict=True)]
    left = within_a_pass(wanted)  # type: ignore[arg-type]
    assert [readers.index(reader) for reader, _ in left] == kept  # type: ignore[arg-type]
    for at, prefix in enumerate(prefixes):
        assert (prefix.reading() is None) == (at in kept)


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        (ids(40), ids(40), [40, 1]),
        (ids(40), [*ids(30), *ids(10, 90)], [40, 10]),
        (ids(40), [*ids(10), *ids(30, 90)], [40, 40]),
        (ids(400), ids(400), [CHUNK, 400 - CHUNK, 1]),
    ],
)
def test_contexts_that_come_at_once_and_begin_alike_are_read_once(
    first: list[int], second: list[int], read: list[int]
) -> None:
    cache, one = PrefixCache(8), model()
    prefixes = [cache.prefix(one, tokens, 1, BASE) for tokens in (first, second)]
    sizes: list[int] = []
    while any(prefix.length < len(prefix.token_ids) for prefix in prefixes):
        found = [reading for prefix in prefixes if (reading := prefix.reading())]
        for _, reading in within_a_pass([(None, reading) for reading in found]):  # type: ignore[misc]
            sizes.append(len(reading.token_ids))
            reading.take(reading.sequence.prefill(reading.token_ids))
    assert sizes == read


def test_where_nothing_is_kept_no_context_waits_for_another() -> None:
    cache, one = PrefixCache(tokens=0), model()
    found = [cache.prefix(one, ids(40), 1, BASE).reading() for _ in range(2)]
    assert len(within_a_pass([(None, reading) for reading in found if reading])) == 2  # type: ignore[misc]


def test_a_context_that_was_begun_waits_for_no_other() -> None:
    """It would gain nothing: it looks for what others have read before its first chunk only."""
    cache, one = PrefixCache(tokens=8192), model()
    begun = cache.prefix(one, ids(2 * CHUNK), 1, BASE)
    first = begun.reading()
    assert first is not None
    first.take(first.sequence.prefill(first.token_ids))
    other = cache.prefix(one, [*ids(2 * CHUNK), *ids(8)], 1, BASE)
    found = [prefix.reading() for prefix in (other, begun)]
    kept = within_a_pass([(None, reading) for reading in found if reading])  # type: ignore[misc]
    assert begun in [reading.context for _, reading in kept]
