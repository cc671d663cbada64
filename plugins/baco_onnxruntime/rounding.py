"""Where the CPU's kernels change how they round: lengths no pass may cross, chunks none may exceed.

As of ONNX Runtime 1.32. Two sources, both measured (docs/backend.md):

* The matrix product (MLAS) sums queries times keys in blocks of 128 values of a head, and widens them
  where there are few keys: at most 64, 32 or 16.
* GroupQueryAttention reads keys in blocks that fit into the second-level cache, so that "few keys" comes
  back at the start of every block, and queries in blocks of up to twice the head size, where a single
  query left over would round as single rows do.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

WIDTHS = {64: 128, 32: 256, 16: 512}
"""A pass that ends at one of these numbers of keys or before rounds unlike one that ends behind it, where
heads are wider than the size named."""

MIN_CHUNK = 2

_L2_BYTES = 2**20
"""Assumed where the system does not tell; where that is wrong, and heads are wide, the probe finds out."""
_GLIBC_L2_SIZE = 191
"""_SC_LEVEL2_CACHE_SIZE, which Python has no name for."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """The lengths at which a pass must end rather than cross them."""

    lengths: tuple[int, ...] = ()
    """Once each, ascending."""
    offsets: tuple[int, ...] = ()
    """Again and again: this far into every block of keys, ascending."""
    keys: int = 1
    """Keys of a block."""
    chunk: int | None = None
    """Most tokens of one sequence in a pass; None: any number."""

    def border(self, start: int) -> int | None:
        """Return the first length after `start` that no pass may cross; None when there is none."""
        found = [length for length in self.lengths if length > start]
        if self.offsets:
            block = start // self.keys * self.keys
            found += [
                base + offset
                for base in (block, block + self.keys)
                for offset in self.offsets
                if base + offset > start
            ]
        return min(found, default=None)


def of_products(head_size: int, context_limit: int | None) -> Rounding:
    """Return the rounding of attention that is written as matrix products."""
    end = [context_limit] if context_limit is not None else []
    return Rounding(tuple(sorted([*_few_keys(head_size), *end])))


def of_grouped_attention(head_size: int, context_limit: int | None) -> Rounding:
    """Return the rounding of GroupQueryAttention on a CPU."""
    keys = max(MIN_CHUNK, level_2_bytes() // (4 * 4 * 2 * head_size))
    offsets = tuple(offset for offset in _few_keys(head_size) if offset < keys)
    lengths = of_products(head_size, context_limit).lengths
    return Rounding(lengths, offsets, keys, max(MIN_CHUNK, min(keys, 2 * head_size)))


def _few_keys(head_size: int) -> list[int]:
    return sorted(length for length, fine_up_to in WIDTHS.items() if head_size > fine_up_to)


def level_2_bytes() -> int:
    """Return the size of the second-level cache as ONNX Runtime sees it, or a guess."""
    if platform.libc_ver()[0] != "glibc":
        return _L2_BYTES
    return max(os.sysconf(_GLIBC_L2_SIZE), 0) or _L2_BYTES
