"""Preallocated keys and values of one sequence, which a fused graph updates in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baco_onnxruntime.budget import Budget, Lease
from baco_onnxruntime.graph import CacheTensor
from baco_onnxruntime.session import Session

FIRST_CAPACITY = 128
"""Positions a new buffer holds; it doubles from there. A larger one makes no pass slower."""


def bucket(needed: int, limit: int | None) -> int:
    """Return the capacity for `needed` positions: a power of two, but not beyond `limit` + 1.

    One position behind the last is for the row that is read as company (docs/backend.md).
    """
    capacity = FIRST_CAPACITY
    while capacity < needed:
        capacity *= 2
    return capacity if limit is None else max(needed, min(capacity, limit + 1))


@dataclass(eq=False)
class KvBuffer:
    """One tensor for each of the graph's cache tensors, [1, heads, capacity, head size].

    A buffer belongs to one sequence, and only that sequence's passes write it.
    """

    capacity: int
    lease: Lease
    values: list[Any]
    """OrtValues, in the order of `FusedGraph.cache`, on the device."""
    blocks: list[NDArray[Any]] = field(default_factory=list)
    """On the CPU: the memory of the values, [tensors, 1, heads, capacity, head size] for each shape."""
    filled: int = 0
    """Positions from the front that may hold what a sequence needs; behind them is rubbish."""
    retired: bool = False
    """Whether no sequence needs it any more; a slot may hold it still."""


@dataclass(frozen=True)
class Buffers:
    """Makes and copies the buffers of one graph."""

    session: Session
    tensors: tuple[CacheTensor, ...]
    budget: Budget
    limit: int | None

    def size(self, capacity: int) -> int:
        """Return the bytes of a buffer of that capacity."""
        return capacity * sum(
            int(np.prod(tensor.empty_shape[1::2])) * tensor.dtype.itemsize for tensor in self.tensors
        )

    def make(self, needed: int) -> KvBuffer:
        """Return an empty buffer for `needed` positions or more; ModelError beyond the budget."""
        return self._make(self.capacity(needed))

    def capacity(self, needed: int) -> int:
        """Return the capacity of a buffer for `needed` positions."""
        return bucket(needed, self.limit)

    def scratch(self) -> KvBuffer:
        """Return the smallest buffer, for slots that have nothing to read. It is outside the budget."""
        blocks = self.blocks(1, 2)
        return KvBuffer(2, Lease(0), self.views(blocks, 0, 1), blocks)

    def copy(self, buffer: KvBuffer, length: int, needed: int) -> KvBuffer:
        """Return a buffer for `needed` positions that begins with the first `length` of `buffer`.

        On a device that is not the CPU the copy goes through the host.
        """
        capacity = self.capacity(needed)
        lease = self.budget.lease(self.size(capacity))
        blocks = self.blocks(1, capacity)
        self._copy(blocks, buffer, length)
        return self._finished(capacity, lease, blocks, length)

    def fill(self, target: KvBuffer, source: KvBuffer, length: int) -> None:
        """Copy the first `length` positions of a buffer into another, on the CPU."""
        self._copy(target.blocks, source, length)
        target.filled = length

    def _copy(self, blocks: Sequence[NDArray[Any]], source: KvBuffer, length: int) -> None:
        for target, block in zip(blocks, self._host(source), strict=True):
            target[..., :length, :] = block[..., :length, :]

    def _make(self, capacity: int) -> KvBuffer:
        lease = self.budget.lease(self.size(capacity))
        return self._finished(capacity, lease, self.blocks(1, capacity), 0)

    def _finished(self, capacity: int, lease: Lease, blocks: list[NDArray[Any]], filled: int) -> KvBuffer:
        values = self.views(blocks, 0, 1)
        return KvBuffer(capacity, lease, values, blocks if self.session.on_cpu else [], filled)

    def _host(self, buffer: KvBuffer) -> list[NDArray[Any]]:
        if self.session.on_cpu:
            return buffer.blocks
        groups = self._groups().values()
        return [np.stack([buffer.values[at].numpy() for at in members]) for members in groups]

    def blocks(self, count: int, capacity: int) -> list[NDArray[Any]]:
        """Return zeros for `count` sequences, [tensors, count, heads, capacity, head size] for each shape.

        Pages that nobody writes cost no memory.
        """
        return [
            np.zeros((len(members), count, heads, capacity, size), dtype)
            for (heads, size, dtype), members in self._groups().items()
        ]

    def views(self, blocks: Sequence[NDArray[Any]], first: int, last: int) -> list[Any]:
        """Return OrtValues of some sequences of the blocks, in the order of the tensors."""
        values: list[Any] = [None] * len(self.tensors)
        for block, members in zip(blocks, self._groups().values(), strict=True):
            for at, part in zip(members, block, strict=True):
                values[at] = self.session.value(part[first:last])
        return values

    def _groups(self) -> dict[tuple[int, int, np.dtype[Any]], list[int]]:
        groups: dict[tuple[int, int, np.dtype[Any]], list[int]] = {}
        for at, tensor in enumerate(self.tensors):
            _, heads, _, size = tensor.empty_shape
            groups.setdefault((heads, size, tensor.dtype), []).append(at)
        return groups
