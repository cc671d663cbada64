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
from dataclasses import dataclass

WIDTHS = {64: 128, 32: 256, 16: 512}
"""A pass that ends at one of these numbers of keys or before rounds unlike one that ends behind it, where
heads are wider than the size named."""

_L2_BYTES = 2**18
"""Assumed where the system does not tell: the least of today's processors."""


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
    lengths = [length for length, fine_up_to in WIDTHS.items() if head_size > fine_up_to]
    return Rounding(tuple(sorted([*lengths, *([context_limit] if context_limit is not None else [])])))


def of_grouped_attention(head_size: int, context_limit: int | None) -> Rounding:
    """Return the rounding of GroupQueryAttention on a CPU."""
    keys = max(1, level_2_bytes() // (4 * 4 * 2 * head_size))
    offsets = sorted(length for length, fine_up_to in WIDTHS.items() if head_size > fine_up_to)
    return Rounding(
        (context_limit,) if context_limit is not None else (),
        tuple(offset for offset in offsets if offset < keys),
        keys,
        max(2, min(keys, 2 * head_size)),
    )


def level_2_bytes() -> int:
    """Return the size of the second-level cache as ONNX Runtime sees it."""
    try:
        return os.sysconf("SC_LEVEL2_CACHE_SIZE") or _L2_BYTES
    except (AttributeError, OSError, ValueError):  # no such call, or no such name
        return _L2_BYTES
