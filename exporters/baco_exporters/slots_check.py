"""Graphs for several sequences give each the rows that the graph for one does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baco_core.errors import ExportError
from baco_exporters.parity import Reference
from baco_exporters.reader import GraphReader, fused_pass, open_session, shared_cache

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ = (3, 5, 2)
"""Tokens that the slots read at first, and again; a third pass reads with every other slot only."""


def check_slots(
    single: Path, many: Path, slots: int, found: Sequence[Reference], member: str, tolerance: float = 1e-3
) -> None:
    """Compare the rows of every slot with those of a lone sequence, over three passes.

    `tolerance` is a fraction of the rows' root mean square, as in the parity gate. Raises ExportError.
    """
    ids = found[0].ids
    lengths = [_READ[slot % len(_READ)] for slot in range(slots)]
    expected = GraphReader(single)
    rows = _read_together(many, slots, ids, lengths)
    for length in set(lengths):
        cuts = [(0, length), (length, 2 * length), (2 * length, 3 * length)]
        alone = np.concatenate([read for _, read in expected.read(ids[: 3 * length], cuts)])
        limit = tolerance * max(1.0, float(np.sqrt(np.mean(np.square(alone, dtype=np.float64)))))
        for slot in [slot for slot in range(slots) if lengths[slot] == length]:
            worst = float(np.abs(rows[slot] - alone[: len(rows[slot])]).max())
            if not worst <= limit:
                raise ExportError(
                    f"{member}: parity failed: slot {slot} of {many.name} differs from a lone sequence by "
                    f"{worst:.3g}, more than {limit:.3g}; no bundle was written. Export with --no-fuse."
                )


def _read_together(
    path: Path, slots: int, ids: Sequence[int], lengths: Sequence[int]
) -> list[NDArray[np.float32]]:
    """Return the rows of every slot, [n, vocabulary]: two passes with all, one with every other slot."""
    session = open_session(path)
    cache = shared_cache(session, 3 * max(lengths) + 1)
    done = [0] * slots
    rows: list[list[NDArray[np.float32]]] = [[] for _ in range(slots)]
    for step in range(3):
        counts = [0 if step == 2 and slot % 2 else lengths[slot] for slot in range(slots)]
        logits = fused_pass(session, _feeds(ids, done, counts), cache)
        for slot, part in enumerate(np.split(logits, np.cumsum(counts)[:-1])):
            rows[slot].append(part)
            done[slot] += counts[slot]
    return [np.concatenate(parts) for parts in rows]


def _feeds(
    ids: Sequence[int], done: Sequence[int], counts: Sequence[int]
) -> dict[str, NDArray[np.int32 | np.int64]]:
    """Return the inputs of one pass: `counts` new tokens of each slot after the `done` ones."""
    starts = np.cumsum([0, *counts[:-1]])
    padded = [[*range(start, start + count), 0] for start, count in zip(starts, counts, strict=True)]
    firsts = np.cumsum([0, *(count + 1 for count in counts[:-1])])
    kept = [range(first, first + count) for first, count in zip(firsts, counts, strict=True)]
    read = [ids[at : at + count] for at, count in zip(done, counts, strict=True)]
    last = np.add(done, counts).astype(np.int32)
    return {
        "input_ids": np.array([[token for part in read for token in part]], np.int64),
        "logits_indices": np.arange(sum(counts)),
        "chunk_lengths": np.array(counts, np.int64) + 1,
        "pad_indices": np.array([row for part in padded for row in part], np.int64),
        "unpad_indices": np.array([row for part in kept for row in part], np.int64),
        "seqlens_k": last,
        "total_sequence_length": last + 1,
    }
