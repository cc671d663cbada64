"""What quantising costs: the graph read beside its float32 original, on a text neither was made with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from baco_core.bundle import QualityRecord
from baco_core.errors import ExportError
from baco_exporters.reader import GraphReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORST_PERPLEXITY = 2.0
"""Times that of float32. int4 costs small models a quarter to a third; a graph whose perplexity doubles has a
layer that is wrong, not rounded."""
WORST_KL = 1.5
"""Nats a token. Guards models whose perplexity says little of them, since the text is not of their kind."""

_WINDOW = 256
_ROWS = 64
"""Rows compared at once: 67 MB of each in float32 with Gemma's vocabulary."""


@dataclass(slots=True)
class _Tally:
    """Sums over positions; `scored` are those whose next token is known."""

    tokens: int = 0
    scored: int = 0
    divergence: float = 0.0
    agreed: int = 0
    surprise: float = 0.0
    surprise_fp32: float = 0.0

    def add(self, exact: NDArray[np.float32], other: NDArray[np.float32], following: Sequence[int]) -> None:
        """Count rows of log-probabilities [n, vocabulary]; `following` are the next tokens, n or n - 1."""
        at = np.arange(len(following))
        self.tokens += len(exact)
        self.scored += len(following)
        self.divergence += float(np.sum(np.exp(exact) * (exact - other), dtype=np.float64))
        self.agreed += int(np.sum(exact.argmax(axis=-1) == other.argmax(axis=-1)))
        self.surprise -= float(other[at, following].sum(dtype=np.float64))
        self.surprise_fp32 -= float(exact[at, following].sum(dtype=np.float64))

    def record(self) -> QualityRecord:
        """Return the means; perplexities in the models' own tokens."""
        return QualityRecord(
            tokens=self.tokens,
            kl=max(self.divergence / self.tokens, 0.0),
            top1_agreement=self.agreed / self.tokens,
            perplexity=float(np.exp(self.surprise / self.scored)),
            perplexity_fp32=float(np.exp(self.surprise_fp32 / self.scored)),
        )


def held_out_text() -> str:
    """Return some pages of plain English, written for this purpose alone."""
    return files("baco_exporters").joinpath("data", "held-out.txt").read_text("utf-8")


def measure_quality(
    exact: GraphReader,
    quantised: GraphReader,
    encode: Callable[[str], Sequence[int]],
    bos: Sequence[int] = (),
    limit: int | None = None,
) -> QualityRecord:
    """Read the held-out text with both graphs, in windows that begin with `bos`, and compare their rows.

    `limit` is the context limit. KL, agreement and perplexity as QualityRecord says.
    """
    tally = _Tally()
    ids = list(encode(held_out_text()))
    for window in _windows(ids, bos, min(_WINDOW, limit - 1) if limit else _WINDOW):
        cuts = [(start, min(start + _ROWS, len(window))) for start in range(0, len(window), _ROWS)]
        both = zip(exact.read(window, cuts), quantised.read(window, cuts), strict=True)
        for (start, one), (_, two) in both:
            tally.add(_log_softmax(one), _log_softmax(two), window[start + 1 : start + len(one) + 1])
    return tally.record()


def check_quality(found: QualityRecord, member: str, precision: str) -> None:
    """Raise ExportError when the figures say that quantising broke the model rather than rounded it."""
    worse = found.perplexity / found.perplexity_fp32
    if not (worse <= WORST_PERPLEXITY and found.kl <= WORST_KL):  # also when they are not numbers
        raise ExportError(
            f"{member}: quality failed in {precision}: perplexity {found.perplexity:.4g}, {worse:.3g} times "
            f"that in fp32 (allowed: {WORST_PERPLEXITY:g}), KL {found.kl:.3g} nats (allowed: {WORST_KL:g}); "
            "no bundle was written. Export in int8, with --accuracy-level 0, or in fp32."
        )


def _windows(ids: Sequence[int], bos: Sequence[int], size: int) -> Iterator[list[int]]:
    step = max(size - len(bos), 1)
    for start in range(0, len(ids) - 1, step):
        yield [*bos, *ids[start : start + step]]


def _log_softmax(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = rows - rows.max(axis=-1, keepdims=True)
    logs: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs
