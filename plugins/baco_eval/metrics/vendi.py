"""Diversity of a matrix of similarities. Pure functions of arrays."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from baco_core.errors import ConfigError

_ROUNDING = 1e-6
"""What similarities computed in float32 may be off by."""


def vendi(similarities: ArrayLike) -> float:
    """Return exp(-sum of l ln l), l the eigenvalues of K / k: the effective number of different texts.

    K has shape (k, k), symmetric, ones on the diagonal, positive semi-definite (as cosines are). In
    [1, k]. Eigenvalues are computed in float64; those below 0 by rounding count as 0. Source: Friedman
    and Dieng 2022, arXiv 2210.02410. Raises ConfigError for any other matrix.
    """
    matrix = _similarities(similarities)
    eigenvalues = np.linalg.eigvalsh((matrix + matrix.T) / 2) / len(matrix)
    if eigenvalues[0] < -_ROUNDING * len(matrix):
        raise ConfigError(f"similarities have eigenvalue {eigenvalues[0]:.3g}; they must be of vectors.")
    some = eigenvalues[eigenvalues > 0]
    some = some / some.sum()
    return min(max(math.exp(-float(some @ np.log(some))), 1.0), float(len(matrix)))


def mean_distance(similarities: ArrayLike) -> float:
    """Return the mean of 1 - K_ij over i != j, for two or more texts; the diagonal is left out.

    With its zeros the mean would be too small by (k - 1) / k. Raises ConfigError as `vendi` does, and
    for a single text.
    """
    matrix = _similarities(similarities)
    if len(matrix) < 2:
        raise ConfigError("one text has no distance to another; two or more are needed.")
    return float((1 - matrix[~np.eye(len(matrix), dtype=bool)]).mean())


def _similarities(similarities: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(similarities, np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ConfigError(f"similarities have shape {matrix.shape}; it must be (k, k), k 1 or more.")
    if not np.isfinite(matrix).all():
        raise ConfigError("a similarity is not finite; leave out texts without an embedding.")
    if np.abs(np.diagonal(matrix) - 1).max() > _ROUNDING:
        raise ConfigError("similarities must be 1 on the diagonal; normalise the embeddings first.")
    if np.abs(matrix - matrix.T).max() > _ROUNDING:
        raise ConfigError("similarities must be symmetric.")
    return matrix
