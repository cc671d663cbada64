"""Sequences beside each other in one buffer, read a token each in one pass.

GroupQueryAttention reads a batch only one token deep, and of buffers that lie one behind the other. So
sequences that are read together move into the seats of one block; a pass reads a range of seats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baco_core.rows import Rows
from baco_onnxruntime.budget import Lease
from baco_onnxruntime.buffers import KvBuffer
from baco_onnxruntime.fused_graph import FusedGraph
from baco_onnxruntime.fused_parts import FusedParts
from baco_onnxruntime.graph import LOGITS
from baco_onnxruntime.session import Session

MOST_RANGES = 32
"""Bindings that are kept; they are quickly made anew."""


@dataclass(frozen=True, slots=True)
class Single:
    """What one sequence reads in a pass: one token, whose row may be wanted. Its buffer is a seat."""

    buffer: KvBuffer
    start: int
    token_id: int
    wanted: bool


class Rack:
    """Seats of one block, and the bindings of the ranges that were read. Used by one thread at a time."""

    def __init__(self, parts: FusedParts) -> None:
        self._session = parts.session
        self._graph = parts.graph
        self._buffers = parts.buffers
        self._vocab_size = parts.vocab_size
        self._logits = _Logits(parts.session, parts.vocab_size, parts.graph.logits_dtype)
        self._adapter = dict(parts.adapter)
        self._seats: list[KvBuffer | None] = []
        self._capacity = 0
        self._blocks: list[NDArray[Any]] = []
        self._lease = Lease(0)
        self._ranges: dict[tuple[int, int], _Range] = {}

    def seats(self, buffer: KvBuffer | None) -> bool:
        """Return whether a buffer is a seat of this rack."""
        return any(seat is buffer for seat in self._seats if seat is not None)

    def reserve(self, newcomers: int, needed: int, fewest: int) -> None:
        """Have free seats, and room for `needed` positions in each; ModelError beyond the budget."""
        taken = sum(seat is not None and not seat.retired for seat in self._seats)
        seats, capacity = max(taken + newcomers, fewest), self._buffers.capacity(needed)
        if seats > len(self._seats) or capacity > self._capacity:
            self._resize(max(seats, len(self._seats)), max(capacity, self._capacity))

    def take(self, buffer: KvBuffer | None, length: int) -> KvBuffer:
        """Return a free seat that holds the first `length` positions of a buffer."""
        at = next(at for at in range(len(self._seats)) if self._is_free(at))
        seat = self._seats[at] = KvBuffer(self._capacity, Lease(0), [])
        self._settle(at, seat)
        if buffer is not None:
            self._buffers.fill(seat, buffer, length)
        return seat

    def release(self) -> None:
        """Let go of the block when no sequence sits in it."""
        if all(seat is None or seat.retired for seat in self._seats):
            self._seats, self._capacity, self._blocks = [], 0, []
            self._lease, self._ranges = Lease(0), {}

    def run(self, singles: Sequence[Single], fewest: int) -> tuple[list[Rows], float]:
        """Read what `singles` say in one pass; return each one's rows, and the seconds.

        `fewest` is how many rows the kernels outside of attention must be given.
        """
        self._close_up([single.buffer for single in singles])
        places = {self._place(single.buffer): single for single in singles}
        first, last = self._span(min(places), max(places) + 1, fewest)
        chosen = self._range(first, last)
        chosen.feed([self._fed(place, places.get(place)) for place in range(first, last)])
        wanted = [place - first for place, single in places.items() if single.wanted]
        rows = chosen.rows(wanted, fewest)
        seconds = self._session.execute(chosen.binding, len(singles), singles[0].start)
        for single in singles:
            single.buffer.filled = max(single.buffer.filled, single.start + 1)
        found = iter(np.array(rows[: len(wanted)], np.float32))
        none = np.empty((0, self._vocab_size), np.float32)
        return [next(found)[None] if single.wanted else none for single in singles], seconds

    def _close_up(self, buffers: Sequence[KvBuffer]) -> None:
        """Move the last into free seats while more than half of the range would have nothing to read."""
        places = sorted(map(self._place, buffers))
        while places[-1] - places[0] + 1 > 2 * len(places):
            free = [at for at in range(places[0], places[-1]) if self._is_free(at)]
            if not free:
                return
            self._shift(places.pop(), free[0])
            places = sorted([*places, free[0]])

    def _is_free(self, at: int) -> bool:
        seat = self._seats[at]
        return seat is None or seat.retired

    def _shift(self, source: int, target: int) -> None:
        seat = self._seats[source]
        assert seat is not None  # noqa: S101  somebody sits there
        for block in self._blocks:
            block[:, target, :, : seat.filled] = block[:, source, :, : seat.filled]
        self._seats[source], self._seats[target] = None, seat
        self._settle(target, seat)

    def _place(self, buffer: KvBuffer) -> int:
        return next(at for at, seat in enumerate(self._seats) if seat is buffer)

    def _span(self, first: int, last: int, fewest: int) -> tuple[int, int]:
        """Widen a range of seats until it has `fewest`."""
        last = min(len(self._seats), max(last, first + fewest))
        return min(first, last - fewest), last

    def _fed(self, place: int, single: Single | None) -> tuple[int, int]:
        """Return token and position; a seat without a visit writes behind what it holds."""
        if single is not None:
            return single.token_id, single.start
        seat = self._seats[place]
        return 0, 0 if seat is None or seat.retired else seat.filled

    def _range(self, first: int, last: int) -> _Range:
        if len(self._ranges) >= MOST_RANGES:
            self._ranges.clear()
        if (first, last) not in self._ranges:
            self._ranges[first, last] = _Range(
                self._session,
                self._graph,
                self._logits,
                self._adapter,
                self._buffers.views(self._blocks, first, last),
            )
        return self._ranges[first, last]

    def _resize(self, seats: int, capacity: int) -> None:
        lease = self._buffers.budget.lease(seats * self._buffers.size(capacity))
        old = self._blocks
        self._blocks, self._lease, self._ranges = self._buffers.blocks(seats, capacity), lease, {}
        self._capacity = capacity
        self._seats += [None] * (seats - len(self._seats))
        for at, seat in enumerate(self._seats):
            if seat is None or seat.retired:
                self._seats[at] = None
                continue
            for new, block in zip(self._blocks, old, strict=True):
                new[:, at, :, : seat.filled] = block[:, at, :, : seat.filled]
            self._settle(at, seat)

    def _settle(self, at: int, seat: KvBuffer) -> None:
        """Let a seat's buffer be that part of the block."""
        seat.capacity = self._capacity
        seat.blocks = [block[:, at : at + 1] for block in self._blocks]
        seat.values = self._buffers.views(self._blocks, at, at + 1)


class _Logits:
    """Where logits come out: views of one memory, for any number of rows."""

    def __init__(self, session: Session, vocab_size: int, dtype: np.dtype[Any]) -> None:
        self._session = session
        self._width = vocab_size
        self._memory = np.empty(0, dtype)
        self._views: dict[int, tuple[NDArray[Any], Any]] = {}

    def of(self, rows: int) -> tuple[NDArray[Any], Any]:
        """Return an array of shape (1, rows, vocab_size), and its OrtValue."""
        size = rows * self._width
        if size > self._memory.size:
            self._memory, self._views = np.empty(size, self._memory.dtype), {}
        if rows not in self._views:
            array = self._memory[:size].reshape(1, rows, self._width)
            self._views[rows] = array, self._session.host_value(array)
        return self._views[rows]


class _Range:
    """The binding of a range of seats; what is fed lies where the runtime reads it."""

    def __init__(
        self,
        session: Session,
        graph: FusedGraph,
        logits: _Logits,
        adapter: Mapping[str, Any],
        values: Sequence[Any],
    ) -> None:
        count = int(values[0].shape()[0])
        self._session = session
        self._logits = logits
        self._bound: NDArray[Any] | None = None
        self._values: dict[str, Any] = {}
        self.binding = session.binding()
        self._ids = self._input("input_ids", np.zeros((count, 1), np.int64))
        self._lasts = self._input("seqlens_k", np.zeros(count, np.int32))
        self._total = self._input("total_sequence_length", np.zeros(1, np.int32))
        self._indices = np.zeros(0, np.int64)
        for name, value in adapter.items():
            self.binding.bind_ortvalue_input(name, value)
        for (past, present), value in zip(graph.names(0), values, strict=True):
            self.binding.bind_ortvalue_input(past, value)
            self.binding.bind_ortvalue_output(present, value)

    def feed(self, tokens: Sequence[tuple[int, int]]) -> None:
        """Set each seat's token and its position."""
        starts = [start for _, start in tokens]
        self._ids[:, 0] = [token_id for token_id, _ in tokens]
        self._lasts[:] = starts
        self._total[0] = max(starts) + 1

    def rows(self, wanted: Sequence[int], fewest: int) -> NDArray[Any]:
        """Say which seats' rows go through the head, `fewest` at least; return where they come out."""
        indices = [*wanted, *([wanted[-1] if wanted else 0] * max(0, fewest - len(wanted)))]
        if len(indices) != len(self._indices):
            self._indices = self._input("logits_indices", np.zeros(len(indices), np.int64))
        self._indices[:] = indices
        array, value = self._logits.of(len(indices))
        if self._bound is not array:
            self._bound = array
            self.binding.bind_ortvalue_output(LOGITS, value)
        found: NDArray[Any] = array[0]
        return found

    def _input(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        value = self._session.host_value(array)
        self._values[name] = value
        self.binding.bind_ortvalue_input(name, value)
        return array
