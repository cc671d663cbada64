"""Utility of a list of texts to someone who reads on with patience, after NoveltyBench (arXiv 2504.05228).

Pure functions: which reward model gives the qualities is the caller's choice.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from baco_core.errors import ConfigError

CUTS = (-7.71875, -6.28125, -6.0, -5.71875, -5.5, -5.0, -4.375, -3.4375, -2.046875)
"""NoveltyBench's, for rewards of Skywork-Reward-Gemma-2-27B-v0.2 alone."""
PATIENCE = 0.8


def points_of(reward: float, cuts: Sequence[float] = CUTS) -> int:
    """Return a reward as points from 1 to 10: one and the number of cuts below it.

    A reward on a cut counts as below. Raises ConfigError for NaN, which has no place among cuts.
    """
    if math.isnan(reward):
        raise ConfigError("a reward is NaN; leave out what is not measured.")
    return 1 + bisect_left(cuts, reward)


def utility(classes: Sequence[int], qualities: Sequence[float], patience: float = PATIENCE) -> float:
    """Return the expected quality of what is new, for a reader who goes on with chance `patience`.

    (1 - p) / (1 - p^k) * sum over i = 1..k of p^(i-1) * [y_i opens a class] * u_i, with `classes` and
    `qualities` (u_i, mostly 1 to 10) in order of the texts. Raises ConfigError for no texts, for unlike
    lengths, for qualities that are not finite and for a patience outside (0, 1).
    """
    if not classes or len(classes) != len(qualities):
        raise ConfigError(
            f"utility needs a class and a quality a text, not {len(classes)} and {len(qualities)}."
        )
    if not all(math.isfinite(quality) for quality in qualities):
        raise ConfigError("a quality is not finite; leave out what is not measured.")
    if not 0 < patience < 1:
        raise ConfigError(f"patience must lie between 0 and 1, not {patience}.")
    seen: set[int] = set()
    gains = []
    for place, (number, quality) in enumerate(zip(classes, qualities, strict=True)):
        if number not in seen:
            seen.add(number)
            gains.append(patience**place * quality)
    return (1 - patience) / (1 - patience ** len(classes)) * math.fsum(gains)
