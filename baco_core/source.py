"""The two models of a pair by their role."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Who writes a token: the diverse `base` model or the `aligned` one."""

    BASE = "base"
    ALIGNED = "aligned"

    @property
    def other(self) -> Source:
        """The other model of the pair."""
        return Source.ALIGNED if self is Source.BASE else Source.BASE
