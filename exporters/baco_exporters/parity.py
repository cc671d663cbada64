"""The gate every exported graph passes: the same logits as PyTorch, however the tokens are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baco_core.bundle import ParityRecord
from baco_core.errors import ExportError
from baco_exporters.reader import GraphReader
from baco_exporters.torch_model import TorchModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENTENCE = "The lighthouse keeper climbed 213 steps, lit the lamp and said: “Good night, ships!”"
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "int8": 5e-1}
"""Largest allowed difference, in units of the logits' root mean square or 1, whichever is larger.

In int8 the weights themselves differ; such a graph has passed in fp32 before they were rounded.
"""

_FIXED = 24
_SENTENCE_LIMIT = 32
_CHUNKS = (3, 1, 8, 5)
_WINDOW_LIMIT = 1024
_ROWS_BEYOND_WINDOW = 8
_BEYOND_WINDOW = 48


@dataclass(frozen=True, slots=True)
class Reference:
    """PyTorch's logits, float32 [k, vocabulary], for the last k of `ids`, read at once."""

    name: str
    ids: tuple[int, ...]
    logits: NDArray[np.float32]


def references(model: TorchModel, encode: Callable[[str], Sequence[int]]) -> list[Reference]:
    """Return what PyTorch says about fixed token ids and about a real sentence.

    A model with a sliding window also gets ids beyond its window, when the window is short enough.
    """
    vocabulary = model.config.vocab_size
    prompts = {
        "fixed ids": _fixed_ids(_FIXED, vocabulary),
        "a sentence": tuple(encode(SENTENCE))[:_SENTENCE_LIMIT],
    }
    found = [_reference(model, name, ids, len(ids)) for name, ids in prompts.items() if ids]
    if window := checked_window(model.config):
        ids = _fixed_ids(window + _BEYOND_WINDOW, vocabulary)
        found.append(_reference(model, "ids beyond the sliding window", ids, _ROWS_BEYOND_WINDOW))
    return found


def checked_window(config: Any) -> int | None:
    """Return the sliding window that is checked; None without one, and when it is too long to read here."""
    window = _window(config)
    return window if window and window <= _WINDOW_LIMIT else None


def unchecked_window(config: Any) -> int | None:
    """Return the sliding window that is too long to be read here, if the model has one."""
    window = _window(config)
    return window if window and window > _WINDOW_LIMIT else None


def _window(config: Any) -> int | None:
    window = getattr(config, "sliding_window", None)
    return int(window) if window and getattr(config, "use_sliding_window", True) else None


def measure(
    onnx_file: Path,
    found: Sequence[Reference],
    tolerance: float,
    member: str,
    adapter: Path | None = None,
) -> ParityRecord:
    """Compare the graph with PyTorch: prompt at once, token by token, and in chunks through the cache.

    `tolerance` is one of TOLERANCE; `adapter` is a file of weights to run the graph with. Raises ExportError
    that names tensor, prompt, position and figure when a difference is larger, or a logit is not finite.
    """
    graph = GraphReader(onnx_file, adapter)
    limit = tolerance * max(1.0, *(_scale(reference.logits) for reference in found))
    short, long = found[:2], found[2:]
    check = _Check(graph, limit, member)
    return ParityRecord(
        tolerance=limit,
        whole=max(check.run(reference, [len(reference.ids)], "at once") for reference in short),
        steps=max(check.run(reference, [1], "token by token") for reference in short),
        chunks=max(check.run(reference, _CHUNKS, "in chunks") for reference in (*short, *long)),
    )


@dataclass(frozen=True, slots=True)
class _Check:
    graph: GraphReader
    limit: float
    member: str

    def run(self, reference: Reference, sizes: Sequence[int], how: str) -> float:
        """Return the largest difference of the rows that are read, cut as `sizes` says."""
        first = len(reference.ids) - len(reference.logits)
        worst = 0.0
        for start, rows in self.graph.read(reference.ids, _cuts(sizes, len(reference.ids), first)):
            for offset, row in enumerate(rows):
                if start + offset >= first:
                    expected = reference.logits[start + offset - first]
                    worst = max(worst, self._difference(row, expected, reference, start + offset, how))
        return worst

    def _difference(
        self, row: NDArray[np.float32], expected: NDArray[np.float32], reference: Reference, at: int, how: str
    ) -> float:
        differences = np.abs(row - expected)
        worst = float(differences.max())
        if not worst <= self.limit:  # also when it is not a number
            token = int(np.argmax(np.where(np.isnan(differences), np.inf, differences)))
            raise ExportError(
                f"{self.member}: parity failed: tensor 'logits' differs from PyTorch's by {worst:.3g}, "
                f"more than {self.limit:.3g} ({reference.name} read {how}, position {at}, token {token}); "
                "no bundle was written. Export in fp32, or report the architecture."
            )
        return worst


def _cuts(sizes: Sequence[int], total: int, first: int) -> list[tuple[int, int]]:
    """Return (start, stop) pairs that follow `sizes` again and again; rows before `first` go by 64."""
    cuts = [(start, min(start + 64, first)) for start in range(0, max(first - 16, 0), 64)]
    while not cuts or cuts[-1][1] < total:
        start = cuts[-1][1] if cuts else 0
        cuts.append((start, min(start + sizes[len(cuts) % len(sizes)], total)))
    return cuts


def _reference(model: TorchModel, name: str, ids: tuple[int, ...], rows: int) -> Reference:
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False, logits_to_keep=rows).logits
    return Reference(name, ids, logits[0].float().numpy())


def _fixed_ids(count: int, vocabulary: int) -> tuple[int, ...]:
    """Return ids spread over the vocabulary, the same for every run."""
    return tuple((7919 * (index + 1)) % vocabulary for index in range(count))


def _scale(logits: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(logits, dtype=np.float64))))
