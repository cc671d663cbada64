"""Figures of several runs, and figures that could not be taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A figure that is missing, and why."""

    not_measured: str

    def __str__(self) -> str:
        return f"not measured: {self.not_measured}"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, and the quartiles below and above it."""

    median: float
    lower: float
    upper: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value; quartiles lie between values where they must."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        lower, _, upper = quantiles(values, n=4, method="inclusive")
        return cls(median(values), lower, upper, len(values))


def spread(values: Iterable[float | NotMeasured]) -> Spread | NotMeasured:
    """Return the spread of what was measured, or the reason why nothing was."""
    seen = list(values)
    measured = [value for value in seen if not isinstance(value, NotMeasured)]
    if measured:
        return Spread.of(measured)
    reasons = [value for value in seen if isinstance(value, NotMeasured)]
    return reasons[0] if reasons else NotMeasured("no run was finished")
