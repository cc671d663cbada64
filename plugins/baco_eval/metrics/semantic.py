"""Semantic diversity by the distance of sentence vectors. Larger is more diverse.

The texts are not cut to a common length; an encoder reads what it can of each (MiniLM: 256 tokens).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_eval.metrics.metric import Direction, Group, Measured, some_texts
from baco_eval.metrics.vendi import mean_distance, vendi
from baco_eval.records import Prompt

DEFAULT_EMBEDDER = "all-minilm-l6-v2"


@dataclass(frozen=True, slots=True)
class Embedded(ABC):
    """What metrics of sentence vectors share."""

    embedder: Annotated[
        str,
        msgspec.Meta(description="Which sentence encoder: a folder, or a name in the cache.", min_length=1),
    ] = DEFAULT_EMBEDDER

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]]
    formula: ClassVar[str]
    source: ClassVar[str]
    group: ClassVar[Group]
    needs: ClassVar[str | None] = "a sentence encoder"

    @abstractmethod
    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the value; NotMeasured for too few texts, or where the encoder is not there."""

    def models(self) -> dict[str, str]:
        """Return the encoder's name and hash; Unavailable where it is not there."""
        from baco_eval.models.encoder import ENCODER

        return {"embedder": ENCODER.identity(self.embedder)}

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return vectors of length 1, shape (k, width), float64; Unavailable without the encoder."""
        from baco_eval.models.encoder import encoder

        return encoder(self.embedder).embed(texts)


@dataclass(frozen=True, slots=True)
class Spread(Embedded):
    """How far apart the vectors of a prompt's texts are."""

    group: ClassVar[Group] = "semantic"
    least: ClassVar[int] = 2

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the diversity; NotMeasured for too few texts, or where the encoder is not there."""
        return self.diversity(cosines(self.vectors(some_texts(texts, self.least))))

    @abstractmethod
    def diversity(self, similarities: NDArray[np.float64]) -> float:
        """Return the diversity of a matrix of cosines, shape (k, k)."""


@dataclass(frozen=True, slots=True)
class CosDistance(Spread):
    """Cos-D: the mean distance of two different texts."""

    range: ClassVar[tuple[float, float]] = (0.0, 2.0)
    formula: ClassVar[str] = "mean over i != j of 1 - cos(e_i, e_j)"
    source: ClassVar[str] = "Shaib et al. 2024, arXiv 2403.00553; without the diagonal"

    def diversity(self, similarities: NDArray[np.float64]) -> float:
        """Return the mean distance in [0, 2]."""
        return max(mean_distance(similarities), 0.0)


@dataclass(frozen=True, slots=True)
class Vendi(Spread):
    """Vendi score: the effective number of different texts."""

    range: ClassVar[tuple[float, float]] = (1.0, math.inf)
    formula: ClassVar[str] = "exp(-sum of l ln l), l the eigenvalues of K / k, K_ij = cos(e_i, e_j)"
    source: ClassVar[str] = "Friedman and Dieng 2022, arXiv 2210.02410"
    least: ClassVar[int] = 1

    def diversity(self, similarities: NDArray[np.float64]) -> float:
        """Return the score in [1, k]."""
        return vendi(similarities)


def cosines(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines of vectors of length 1, shape (k, k), with ones on the diagonal."""
    found: NDArray[np.float64] = np.clip(vectors @ vectors.T, -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found
