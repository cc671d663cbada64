"""A metric as a report reads it: what it is, and what it gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from baco_eval.records import Score
from baco_eval.scoring.record import ScoreRecord

Key = tuple[str, str]
"""Method and setting."""


@dataclass(frozen=True)
class Measure:
    """A metric, and what it gave: by setting and prompt a value or None."""

    name: str
    direction: int
    group: str
    formula: str
    source: str
    scores: Sequence[Score] = field(repr=False)
    record: ScoreRecord | None = None
    """What it was measured with, where that is told."""
    proxy_for: str = ""
    """The metric that makes planes instead where it was measured."""

    @cached_property
    def values(self) -> dict[Key, dict[str, float]]:
        """What was measured."""
        found: dict[Key, dict[str, float]] = {}
        for one in self.scores:
            if one.value is not None:
                found.setdefault((one.method, one.setting), {})[one.prompt] = one.value
        return found

    @property
    def reasons(self) -> dict[str, int]:
        """Why values are missing, and how many."""
        found: dict[str, int] = {}
        for one in self.scores:
            if one.value is None:
                found[one.not_measured] = found.get(one.not_measured, 0) + 1
        return found
