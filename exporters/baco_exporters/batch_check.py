"""The graph for a batch gives each sequence the rows that the graph for one does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baco_exporters.parity import Reference
from baco_exporters.reader import GraphReader, fused_pass, open_session, shared_cache

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTHS = (4, 7, 2)
"""Tokens that the three sequences have read at the end."""


def batch_difference(single: Path, batch: Path, found: Sequence[Reference]) -> float:
    """Return the largest difference of a row to a lone sequence's, as a fraction of their rms (at least 1).

    Three sequences of unlike tokens and lengths are read a token a pass, beside each other. NaN when
    either has one.
    """
    ids = list(found[0].ids)
    texts = [ids[which:][:length][::-1] for which, length in enumerate(_LENGTHS)]
    reader = GraphReader(single)
    alone = [next(rows for _, rows in reader.read(text, [(0, len(text))])) for text in texts]
    together = _read_beside(batch, texts)
    scale = max(1.0, float(np.sqrt(np.mean(np.square(np.concatenate(alone), dtype=np.float64)))))
    differences = [
        np.abs(together[: len(rows), which] - rows).max() for which, rows in enumerate(alone) if len(rows)
    ]
    return float(np.max(differences)) / scale


def _read_beside(path: Path, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Return rows [position, sequence, vocabulary]; behind a sequence's end they mean nothing."""
    session, count, longest = open_session(path), len(texts), max(map(len, texts))
    cache = shared_cache(session, longest + 1, count)
    rows = []
    for at in range(longest):
        starts = np.array([min(at, len(text)) for text in texts], np.int32)
        tokens = [text[at] if at < len(text) else 0 for text in texts]
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": np.array(tokens, np.int64)[:, None],
            "logits_indices": np.arange(count),
            "seqlens_k": starts,
            "total_sequence_length": np.array([starts.max() + 1], np.int32),
        }
        rows.append(fused_pass(session, feeds, cache))
    return np.array(rows, np.float32)
