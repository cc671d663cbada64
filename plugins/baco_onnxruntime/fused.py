"""Fused graphs: buffers that are updated in place, and several sequences in one pass."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from baco_core.bundle import ModelFiles
from baco_core.model import TokenSequence
from baco_core.rows import Rows
from baco_onnxruntime.budget import Budget
from baco_onnxruntime.buffers import Buffers, KvBuffer, bucket
from baco_onnxruntime.fused_graph import FusedGraph
from baco_onnxruntime.fused_parts import FusedParts
from baco_onnxruntime.model import Needs, OnnxModel
from baco_onnxruntime.rack import Rack, Single
from baco_onnxruntime.rounding import Rounding, of_grouped_attention
from baco_onnxruntime.sequence import OnnxSequence, Reading
from baco_onnxruntime.session import Session
from baco_onnxruntime.slots import Slots, Visit


class FusedModel(OnnxModel):
    """Opens sequences of a fused graph, and reads as many together as the graph has slots.

    When careful, attention is never given a single row, since its kernels round that differently from
    several: a lone token has a row behind it that nobody wants, whose keys and values land behind what is
    valid. No pass crosses a length at which kernels change how they round; at such a length a lone token
    is read together with the one before it, once more. The other kernels are given two rows until the
    probe has found that they may be given one.

    Where `files.singly` says so, only contexts are read that way. What follows is read a token a pass and
    sequence, and attention is given single rows, always: they are quicker, and there is nothing they
    would have to equal.
    """

    ways = (1, 2)

    def __init__(
        self,
        session: Session,
        graph: FusedGraph,
        files: ModelFiles,
        needs: Needs,
        budget: Budget,
        adapter: Mapping[str, Any],
    ) -> None:
        """Raise ModelError when the graph's rows are not as wide as `files` says."""
        rounding = of_grouped_attention(graph.head_size, files.context_limit) if needs.careful else Rounding()
        super().__init__(session, files, needs, rounding)
        self.chunk = needs.prefill_chunk  # only wanted rows have logits
        self.singly = files.singly and needs.careful
        self.graph = graph
        self.adapter = adapter
        self.buffers = Buffers(session, graph.cache, budget, files.context_limit)
        self._shared = self.slots() if graph.slots > 1 else None
        beside = graph.batched and self.singly
        self._rack = Rack(self._parts()) if beside else None
        self._turn = threading.RLock()
        budget.on_shortage(self.release)

    def twin(self) -> FusedModel:
        """Return a model of its own on the same session, outside the budget."""
        return FusedModel(self.session, self.graph, self.files, self.needs, Budget(), self.adapter)

    def slots(self) -> Slots:
        """Return slots that hold nothing yet."""
        return Slots(self._parts())

    def _parts(self) -> FusedParts:
        return FusedParts(self.session, self.graph, self.buffers, self.vocab_size, self.adapter)

    def open(self) -> FusedSequence:
        """Return an empty sequence."""
        return self.opened(FusedSequence(self, []))

    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        """Extend several sequences, as many in one pass as the graph has slots.

        All are checked and have room before any is read, and all or none change. What is short goes
        first; a pass reads no more than `prefill_chunk` tokens. Threads take turns, unless the graph
        has one slot.
        """
        calls = self.checked(FusedSequence, sequences, token_ids, rows)
        if self._rack is not None and calls:
            return self._read_beside(self._rack, calls)
        return self._read(calls, singly=self.singly)

    def prefill(self, sequence: FusedSequence, token_ids: Sequence[int]) -> Rows:
        """Read a context; see `extend_many`."""
        return self._read(self.checked(FusedSequence, [sequence], [token_ids], [1]), singly=False)[0]

    def _read(self, calls: Sequence[tuple[FusedSequence, list[int], int]], *, singly: bool) -> list[Rows]:
        with self._alone():
            self._reserve([(one, one.length + len(new)) for one, new, _ in calls])
            readings = [
                _Progress(one, one.tokens + new, one.length, count, singly) for one, new, count in calls
            ]
            while pending := [reading for reading in readings if reading.left]:
                self._pass(pending)
            return [reading.commit(self.no_rows()) for reading in readings]

    def _read_beside(self, rack: Rack, calls: Sequence[tuple[FusedSequence, list[int], int]]) -> list[Rows]:
        """Read a token of each sequence a pass, all in one."""
        with self._turn:
            newcomers = [one for one, _, _ in calls if not rack.seats(one.buffer)]
            longest = max(one.length + len(new) for one, new, _ in calls)
            rack.reserve(len(newcomers), longest + 1, self.fewest)
            for one in newcomers:
                one.move(rack.take(one.buffer, one.length))
            readings = [
                _Progress(one, one.tokens + new, one.length, count, True) for one, new, count in calls
            ]
            while pending := [reading for reading in readings if reading.left]:
                found, seconds = rack.run([reading.single() for reading in pending], self.fewest)
                self.count(seconds)
                for reading, block in zip(pending, found, strict=True):
                    reading.advance(reading.at + 1, block)
            return [reading.commit(self.no_rows()) for reading in readings]

    def cache_bytes(self) -> tuple[int, int]:
        """Return the bytes of all live buffers, and of what they hold."""
        live = [one for one in self.sequences() if isinstance(one, FusedSequence) and one.buffer]
        held = sum(self.buffers.size(one.buffer.capacity) for one in live if one.buffer)
        return held, sum(self.buffers.size(one.length) for one in live)

    def release(self) -> None:
        """Let go of buffers whose sequences are gone, unless a pass is under way."""
        holder = self._shared or self._rack
        if holder is None or not self._turn.acquire(blocking=False):
            return
        try:
            holder.release()
        finally:
            self._turn.release()

    def _alone(self) -> AbstractContextManager[object]:
        return self._turn if self._shared or self._rack else nullcontext()

    def _reserve(self, wanted: Sequence[tuple[FusedSequence, int]]) -> None:
        """Give every sequence a buffer for so many tokens; change none unless all can have one."""
        short = [(one, length + 1) for one, length in wanted if one.capacity <= length]
        sizes = [self.buffers.size(bucket(needed, self.context_limit)) for _, needed in short]
        self.buffers.budget.require(sum(sizes))
        for one, needed in short:
            one.grow(needed)

    def _pass(self, pending: Sequence[_Progress]) -> None:
        tokens, rows = self.chunk, self.most_rows
        turns: list[tuple[_Progress, Visit]] = []
        for reading in sorted(pending, key=lambda reading: reading.left):
            if len(turns) == self.graph.slots:
                break
            count = 1 if reading.singly else min(self.room(reading.at), reading.left, tokens)
            count -= max(0, reading.wanted(count) - rows)
            if count > 0:
                tokens, rows = tokens - count, rows - reading.wanted(count)
                turns.append((reading, self._visit(reading, count)))
        slots = self._shared or turns[0][0].sequence.own_slots()
        found, seconds = slots.run([visit for _, visit in turns], self.fewest)
        self.count(seconds)
        for (reading, visit), block in zip(turns, found, strict=True):
            reading.advance(visit.stop, block)

    def _visit(self, reading: _Progress, count: int) -> Visit:
        at, wanted = reading.at, reading.wanted(count)
        single = reading.singly and (self.graph.padded or self.fewest == 1)
        lone = self.needs.careful and count == 1 and not single
        padded = lone and self.room(at) > 1
        again = lone and not padded and at > 0 and self.room(at - 1) > 1
        token_ids = reading.tokens[at - again : at + count]
        buffer = reading.sequence.held()
        return Visit(buffer, at - again, token_ids, padded, len(token_ids) - wanted, wanted)


class FusedSequence(OnnxSequence):
    """The tokens read so far, and a buffer whose front holds them."""

    def __init__(self, model: FusedModel, tokens: list[int], buffer: KvBuffer | None = None) -> None:
        self.buffer = buffer
        super().__init__(tokens)
        self.model: FusedModel = model
        self._slots: Slots | None = None

    @property
    def capacity(self) -> int:
        """Positions the buffer has, 0 before anything is read."""
        return self.buffer.capacity if self.buffer else 0

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        """Read `token_ids` and return the last `rows` rows (see baco_core.model.TokenSequence)."""
        return self.model.extend_many([self], [token_ids], [rows])[0]

    def prefill(self, token_ids: Sequence[int]) -> Rows:
        """Read a context, or more of it, and return its last row (see baco_core.model.TokenSequence)."""
        return self.model.prefill(self, token_ids)

    def fork(self, n: int) -> list[TokenSequence]:
        """Return `n` sequences with copies of what is valid of the buffer; ModelError beyond the budget."""
        self.check_fork(n)
        size = self.model.buffers.size(bucket(self.length + 1, self.model.context_limit))
        self.model.buffers.budget.require(n * size if self.length else 0)
        copies = (FusedSequence(self.model, list(self.tokens), self._copy()) for _ in range(n))
        return [self.model.opened(copy) for copy in copies]

    def grow(self, needed: int) -> None:
        """Have a buffer for `needed` positions or more."""
        longer = self._copy(needed) or self.model.buffers.make(needed)
        self._retire()
        self.buffer = longer

    def move(self, buffer: KvBuffer) -> None:
        """Go on with a buffer that holds the same, and let go of the old one."""
        self._retire()
        self.buffer, self._slots = buffer, None

    def held(self) -> KvBuffer:
        """Return the buffer, which there is once something is being read."""
        if self.buffer is None:
            self.grow(1)
        assert self.buffer is not None  # noqa: S101  grow makes one
        return self.buffer

    def own_slots(self) -> Slots:
        """Return the slots of this sequence alone, for graphs with one slot."""
        if self._slots is None:
            self._slots = self.model.slots()
        return self._slots

    def __del__(self) -> None:
        """Say that the buffer is free: a slot may hold it."""
        self._retire()

    def _retire(self) -> None:
        if self.buffer is not None:
            self.buffer.retired = True

    def _copy(self, needed: int = 0) -> KvBuffer | None:
        if self.buffer is None or not self.length:
            return None
        return self.model.buffers.copy(self.buffer, self.length, max(needed, self.length + 1))


class _Progress:
    """How far one sequence of a call has got; the sequence changes at the end of the call."""

    def __init__(self, sequence: FusedSequence, tokens: list[int], at: int, rows: int, singly: bool) -> None:
        self.sequence = sequence
        self.tokens = tokens
        self.at = at
        self.singly = singly
        self._first_wanted = len(tokens) - rows
        self._blocks: list[Rows] = []
        self._passes = 0

    @property
    def left(self) -> int:
        """Tokens still to be read."""
        return len(self.tokens) - self.at

    def single(self) -> Single:
        """Return the next token, to be read beside others."""
        return Single(self.sequence.held(), self.at, self.tokens[self.at], self.wanted(1) > 0)

    def wanted(self, count: int) -> int:
        """Return how many of the next `count` tokens' rows are wanted."""
        return max(0, self.at + count - max(self.at, self._first_wanted))

    def advance(self, at: int, rows: Rows) -> None:
        """Take the rows of a pass that read up to `at`."""
        self.at = at
        self._blocks.append(rows)
        self._passes += 1

    def commit(self, none: Rows) -> Rows:
        """Make the sequence what was read, and return its rows."""
        blocks = [block for block in self._blocks if len(block)]
        rows = blocks[0] if len(blocks) == 1 else np.concatenate([none, *blocks])
        return self.sequence.become(Reading(rows, self.tokens, self._passes))
