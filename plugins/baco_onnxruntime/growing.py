"""Graphs whose KV cache grows: every pass makes a longer one, and leaves the old as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baco_core.bundle import ModelFiles
from baco_core.model import TokenSequence
from baco_core.rows import Rows
from baco_onnxruntime.budget import Budget, Lease
from baco_onnxruntime.graph import LOGITS, DecoderGraph
from baco_onnxruntime.model import Needs, OnnxModel
from baco_onnxruntime.rounding import MIN_CHUNK, Rounding, of_products
from baco_onnxruntime.sequence import OnnxSequence, Reading
from baco_onnxruntime.session import Session


@dataclass(frozen=True)
class Cache:
    """Keys and values of the first `length` tokens; immutable, so forks share it."""

    length: int
    values: tuple[Any, ...]
    """One OrtValue for each tensor of `DecoderGraph.cache`, on the device."""
    lease: Lease | None = None


class GrowingModel(OnnxModel):
    """Opens sequences of a graph as Optimum exports it.

    When careful, no pass reads a single token, since kernels for one row round differently from
    those for several. A lone token is read twice in one pass: the second is a dummy behind it, which
    cannot change its row, and the cache of that pass is dropped. The next call reads the lone token
    again together with what follows, so no cache is ever cut for a dummy. And no pass crosses a
    length at which the kernels change how they round.
    """

    def __init__(
        self, session: Session, graph: DecoderGraph, files: ModelFiles, needs: Needs, budget: Budget
    ) -> None:
        """Raise ModelError when the graph's rows are not as wide as `files` says."""
        width = max(tensor.empty_shape[-1] for tensor in graph.cache)
        rounding = of_products(width, files.context_limit) if needs.careful else Rounding()
        super().__init__(session, files, needs, rounding)
        self.graph = graph
        self.budget = budget
        # The empty cache may lie on the host: it has no bytes to be copied.
        make = session.runtime.OrtValue.ortvalue_from_numpy
        self.empty = Cache(0, tuple(make(tensor.empty()) for tensor in graph.cache))

    def twin(self) -> GrowingModel:
        """Return a model of its own on the same session, outside the budget."""
        return GrowingModel(self.session, self.graph, self.files, self.needs, Budget())

    def open(self) -> GrowingSequence:
        """Return an empty sequence."""
        return self.opened(GrowingSequence(self, [], self.empty))

    def extend_many(
        self, sequences: Sequence[TokenSequence], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        """Extend several sequences; all are checked before any is read, and all or none change.

        They are read one after the other: a pass over several sequences of unlike lengths needs
        masks and positions per sequence, and its kernels round unlike those for one, so rows would
        depend on the company a sequence keeps.
        """
        calls = self.checked(GrowingSequence, sequences, token_ids, rows)
        readings = [one.read(new, count) for one, new, count in calls]
        return [one.commit(reading) for (one, _, _), reading in zip(calls, readings, strict=True)]

    def cache_bytes(self) -> tuple[int, int]:
        """Return the bytes of all caches that are held, all of them in use."""
        caches = {id(one.cache): one.cache for one in self.sequences() if isinstance(one, GrowingSequence)}
        used = sum(self.size(cache.length) for cache in caches.values())
        return used, used

    def size(self, length: int) -> int:
        """Return the bytes of a cache of `length` tokens."""
        each = (
            int(np.prod([size for axis, size in enumerate(tensor.empty_shape) if axis != tensor.axis]))
            * tensor.dtype.itemsize
            for tensor in self.graph.cache
        )
        return length * sum(each)

    def forward(
        self, tokens: list[int], start: int, stop: int, cache: Cache, wanted: int
    ) -> tuple[Rows, Cache]:
        """Read `tokens[start:stop]` after `cache`, which holds `start` of them.

        Returns the last `wanted` rows and a cache, which holds `stop` tokens or, after a lone token,
        fewer.
        """
        if self.needs.careful and stop - start == 1:
            return self._forward_lone(tokens, start, cache, wanted)
        keep = max(wanted, MIN_CHUNK) if self.needs.careful else max(wanted, 1)
        logits, longer = self._run(tokens[start:stop], cache, keep)
        return _last(logits, wanted), longer

    def _forward_lone(self, tokens: list[int], start: int, cache: Cache, wanted: int) -> tuple[Rows, Cache]:
        if self.room(start) > 1 and not wanted:
            return self.no_rows(), cache  # it will be read together with what follows
        if self.room(start) > 1:
            logits = self._pass([tokens[start]] * 2, cache, 2, [])[0]
            return _last(logits[:-1], 1), cache
        # A dummy behind the last token before a border would cross it: read the one before again.
        before = self.cut(cache, start - 1) if start else cache
        logits, longer = self._run(tokens[before.length : start + 1], before, 2)
        return _last(logits, wanted), longer

    def cut(self, cache: Cache, length: int) -> Cache:
        """Return the cache of the first `length` tokens; copies them unless nothing is cut.

        On CUDA the copy goes through the host, for the runtime slices no value on a device.
        """
        if length >= cache.length:
            return cache
        if length == 0:
            return self.empty
        pairs = zip(self.graph.cache, cache.values, strict=True)
        values = tuple(self.session.value(tensor.first(value.numpy(), length)) for tensor, value in pairs)
        return Cache(length, values, self.budget.lease(self.size(length)))

    def _run(self, token_ids: list[int], past: Cache, keep: int) -> tuple[NDArray[Any], Cache]:
        """Read `token_ids` after `past`; return at least the last `keep` rows, and the longer cache."""
        length = past.length + len(token_ids)
        lease = self.budget.lease(self.size(length))
        present = [tensor.present for tensor in self.graph.cache]
        rows, *values = self._pass(token_ids, past, keep, present)
        return rows, Cache(length, tuple(values), lease)

    def _pass(self, token_ids: list[int], past: Cache, keep: int, present: list[str]) -> list[Any]:
        """Return the rows, a view of the runtime's memory, and the values of `present`."""
        feeds = self.graph.feeds(token_ids, past.length, keep)  # alive until the pass is over
        binding = self.session.binding()
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        for tensor, value in zip(self.graph.cache, past.values, strict=True):
            binding.bind_ortvalue_input(tensor.past, value)
        binding.bind_output(LOGITS, "cpu")
        for name in present:
            binding.bind_output(name, self.session.placement.provider, self.session.placement.device_id)
        self.count(self.session.execute(binding, len(token_ids), past.length))
        logits, *values = binding.get_outputs()
        return [logits.numpy()[0], *values]


class GrowingSequence(OnnxSequence):
    """The tokens read so far, and the cache of a prefix of them.

    The cache may be shorter than the history (a lone token is read again with the next one, see
    GrowingModel) or longer (after a rewind; it is cut when something else is read).
    """

    def __init__(self, model: GrowingModel, tokens: list[int], cache: Cache) -> None:
        super().__init__(tokens)
        self.model: GrowingModel = model
        self.cache = cache

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        """Read `token_ids` and return the last `rows` rows (see baco_core.model.TokenSequence)."""
        new = self.model.check(self.length, token_ids, rows)
        return self.commit(self.read(new, rows))

    def fork(self, n: int) -> list[TokenSequence]:
        """Return `n` copies that share the cache until they read on."""
        self.check_fork(n)
        copies = (GrowingSequence(self.model, list(self.tokens), self.cache) for _ in range(n))
        return [self.model.opened(copy) for copy in copies]

    def read(self, new: list[int], rows: int) -> tuple[Reading, Cache]:
        """Return what reading the checked tokens `new` gives; the sequence stays as it is."""
        tokens = self.tokens + new
        cache = self.model.cut(self.cache, len(self.tokens))
        self.model.budget.require(self.model.size(len(tokens)))
        blocks = [self.model.no_rows()]
        at, passes = cache.length, 0
        while at < len(tokens):
            start, at = at, min(at + self.model.room(at), len(tokens))
            wanted = max(0, min(at - start, at - (len(tokens) - rows)))
            block, longer = self.model.forward(tokens, start, at, cache, wanted)
            passes += wanted > 0 or longer is not cache  # a lone token nobody wants a row of waits
            blocks, cache = [*blocks, block], longer
        return Reading(np.concatenate(blocks), tokens, passes), cache

    def commit(self, done: tuple[Reading, Cache]) -> Rows:
        """Make the sequence what was read, and return its rows."""
        reading, self.cache = done
        return self.become(reading)


def _last(logits: NDArray[Any], wanted: int) -> Rows:
    return np.array(logits[len(logits) - wanted :], np.float32)
