"""One pass of a fused graph: what is fed, which buffers its slots hold, which rows come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from baco_core.rows import Rows
from baco_onnxruntime.buffers import KvBuffer
from baco_onnxruntime.fused_parts import FusedParts
from baco_onnxruntime.graph import LOGITS

IDLE_POSITIONS = 32
"""An idle slot reads a row over its whole buffer. Up to this length that is cheaper than to bind another."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one sequence reads in a pass."""

    buffer: KvBuffer
    start: int
    """Position of the first of `token_ids`."""
    token_ids: list[int]
    padded: bool
    """Whether a row that nobody wants is read behind them, as company."""
    offset: int
    """Which of `token_ids` the first wanted row follows."""
    rows: int
    """How many rows are wanted, from `offset` on."""

    @property
    def stop(self) -> int:
        """Position behind the last of `token_ids`."""
        return self.start + len(self.token_ids)


class Slots:
    """An IOBinding that is kept from pass to pass; only what changed is bound anew.

    A buffer stays in its slot until another needs the place. Used by one thread at a time.
    """

    def __init__(self, parts: FusedParts) -> None:
        self._session = parts.session
        self._graph = parts.graph
        self._buffers = parts.buffers
        self._vocab_size = parts.vocab_size
        self._binding = parts.session.binding()
        self._adapter = dict(parts.adapter)
        self._fed: dict[str, NDArray[Any]] = {}
        self._values: dict[str, Any] = {}
        self._logits = np.empty((1, 0, parts.vocab_size), parts.graph.logits_dtype)
        self._names = [parts.graph.names(slot) for slot in range(parts.graph.slots)]
        self._held: list[KvBuffer | None] = [None] * parts.graph.slots
        self._bound: list[list[Any] | None] = [None] * parts.graph.slots
        self._used = [0] * parts.graph.slots
        self._scratch: KvBuffer | None = None
        self._passes = 0
        for name, value in self._adapter.items():
            self._binding.bind_ortvalue_input(name, value)

    def release(self) -> None:
        """Let go of buffers that no sequence needs any more."""
        for slot, held in enumerate(self._held):
            if held is not None and held.retired:
                self._bind(slot, self._blank())

    def run(self, visits: Sequence[Visit], fewest: int) -> tuple[list[Rows], float]:
        """Read what `visits` say, one slot each, in one pass; return each one's rows, and the seconds.

        `fewest` is how many rows the kernels outside of attention must be given.
        """
        seats = self._seat(visits)
        ordered = [seats[slot] for slot in sorted(seats)]
        self._feed_tokens(ordered, fewest)
        self._feed_lengths(seats, fewest)
        rows = self._feed_indices(ordered, fewest)
        seconds = self._session.execute(self._binding, sum(len(v.token_ids) for v in visits), visits[0].start)
        for visit in visits:
            visit.buffer.filled = visit.stop
        return [self._rows(rows[id(visit)]) for visit in visits], seconds

    def _seat(self, visits: Sequence[Visit]) -> dict[int, Visit]:
        """Give every visit a slot: the one that holds its buffer, else the one idle for longest."""
        self._passes += 1
        seats: dict[int, Visit] = {}
        waiting = []
        for visit in visits:
            held = next((slot for slot, buffer in enumerate(self._held) if buffer is visit.buffer), None)
            if held is None:
                waiting.append(visit)
            else:
                self._bind(held, visit.buffer)
                seats[held] = visit
        free = sorted(set(range(self._graph.slots)) - set(seats), key=self._used.__getitem__)
        for slot, visit in zip(free, waiting, strict=False):
            self._bind(slot, visit.buffer)
            seats[slot] = visit
        for slot in seats:
            self._used[slot] = self._passes
        return seats

    def _feed_tokens(self, ordered: Sequence[Visit], fewest: int) -> None:
        ids = [token_id for visit in ordered for token_id in visit.token_ids]
        if ordered[0].padded and not self._graph.padded:
            ids.append(ids[-1])  # no row can be added for attention alone
        if len(ids) < fewest:
            ids *= fewest
        self._feed("input_ids", [ids], np.int64)

    def _feed_lengths(self, seats: Mapping[int, Visit], fewest: int) -> None:
        chunks: list[int] = []
        lasts: list[int] = []
        pad: list[int] = []
        unpad: list[int] = []
        row = 0
        for slot in range(self._graph.slots):
            visit = seats.get(slot)
            count = len(visit.token_ids) if visit else 0
            padded = visit.padded if visit else True
            start = visit.start if visit else self._idle(slot)
            unpad += range(len(pad), len(pad) + count)
            pad += [*range(row, row + count), *([0] if padded else [])]
            row += count
            chunks.append(count + padded)
            lasts.append(start + count + padded - 1)
        self._feed("seqlens_k", lasts, np.int32)
        self._feed("total_sequence_length", [last + 1 for last in lasts], np.int32)
        if self._graph.padded:
            self._feed("pad_indices", pad, np.int64)
            self._feed("unpad_indices", unpad * fewest if row < fewest else unpad, np.int64)
        if self._graph.slots > 1:
            self._feed("chunk_lengths", chunks, np.int64)

    def _feed_indices(self, ordered: Sequence[Visit], fewest: int) -> dict[int, range]:
        """Say which rows go through the head; return, by id of the visit, where its rows come out."""
        indices: list[int] = []
        places = {}
        row = 0
        for visit in ordered:
            first = row + visit.offset
            places[id(visit)] = range(len(indices), len(indices) + visit.rows)
            indices += range(first, first + visit.rows)
            row += len(visit.token_ids)
        indices += (indices[-1:] or [0]) * max(0, fewest - len(indices))
        self._feed("logits_indices", indices, np.int64)
        if self._logits.shape[1] != len(indices):
            self._logits = np.empty((1, len(indices), self._vocab_size), self._graph.logits_dtype)
            self._values[LOGITS] = self._session.host_value(self._logits)
            self._binding.bind_ortvalue_output(LOGITS, self._values[LOGITS])
        return places

    def _rows(self, places: range) -> Rows:
        return np.array(self._logits[0, places.start : places.stop], np.float32)

    def _feed(self, name: str, values: Sequence[Any], dtype: DTypeLike) -> None:
        array = np.array(values, dtype)
        fed = self._fed.get(name)
        if fed is not None and fed.shape == array.shape and self._session.on_cpu:
            fed[...] = array  # the runtime reads it where it lies
            return
        self._fed[name] = array
        self._values[name] = self._session.host_value(array)
        self._binding.bind_ortvalue_input(name, self._values[name])

    def _idle(self, slot: int) -> int:
        """Return the position where the row of a slot without a visit may be written."""
        held = self._held[slot]
        if held is None or held.retired or held.filled >= self._idle_up_to(held):
            held = self._blank()
            self._bind(slot, held)
        return held.filled

    def _idle_up_to(self, buffer: KvBuffer) -> int:
        """Return how long a buffer may be to stay in an idle slot: there must be room for a row."""
        limit = self._buffers.limit
        return min(IDLE_POSITIONS, buffer.capacity, IDLE_POSITIONS if limit is None else limit)

    def _blank(self) -> KvBuffer:
        if self._scratch is None:
            self._scratch = self._buffers.scratch()
        return self._scratch

    def _bind(self, slot: int, buffer: KvBuffer) -> None:
        if self._held[slot] is buffer and self._bound[slot] is buffer.values:
            return  # a seat keeps its buffer's name, not its place
        for (past, present), value in zip(self._names[slot], buffer.values, strict=True):
            self._binding.bind_ortvalue_input(past, value)
            self._binding.bind_ortvalue_output(present, value)
        self._held[slot], self._bound[slot] = buffer, buffer.values
