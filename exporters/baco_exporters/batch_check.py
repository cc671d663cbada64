"""The graph for a batch gives each sequence the rows that the graph for one does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baco_exporters.parity import Reference
from baco_exporters.reader import GraphReader, cache_like, open_session

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTHS = (4, 7, 1)
"""Tokens that the three sequences have read at the end."""


def batch_difference(single: Path, batch: Path, found: Sequence[Reference]) -> float:
    """Return the largest difference of a row to a lone sequence's, as a fraction of their rms (at least 1).

    Three sequences of unlike lengths are read a token a pass, each beside those that still read.
    """
    ids = found[0].ids[: max(_LENGTHS)]
    alone = next(rows for _, rows in GraphReader(single).read(ids, [(0, len(ids))]))
    scale = max(1.0, float(np.sqrt(np.mean(np.square(alone, dtype=np.float64)))))
    read = _read_beside(batch, ids)
    worst = max(
        float(np.abs(read[at, which] - alone[at]).max())
        for which, length in enumerate(_LENGTHS)
        for at in range(length)
    )
    return worst / scale


def _read_beside(path: Path, ids: Sequence[int]) -> NDArray[np.float32]:
    """Return rows [position, sequence, vocabulary]; behind a sequence's end they mean nothing."""
    import onnxruntime

    session, count = open_session(path), len(_LENGTHS)
    value = onnxruntime.OrtValue.ortvalue_from_numpy
    cache = {
        each.name: value(np.repeat(cache_like(each, max(_LENGTHS) + 1), count, axis=0))
        for each in session.get_inputs()
        if each.name.startswith("past_key_values.")
    }
    rows = []
    for at, token in enumerate(ids):
        starts = np.minimum(at, _LENGTHS)
        binding = session.io_binding()
        for name, array in {
            "input_ids": np.full((count, 1), token, np.int64),
            "logits_indices": np.arange(count),
            "seqlens_k": starts.astype(np.int32),
            "total_sequence_length": np.array([starts.max() + 1], np.int32),
        }.items():
            binding.bind_cpu_input(name, array)
        for name, buffer in cache.items():
            binding.bind_ortvalue_input(name, buffer)
            binding.bind_ortvalue_output(name.replace("past_key_values", "present", 1), buffer)
        binding.bind_output("logits")
        session.run_with_iobinding(binding)
        rows.append(binding.get_outputs()[-1].numpy()[0])
    return np.array(rows, np.float32)
