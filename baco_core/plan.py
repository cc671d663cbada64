"""How a pair will be read, and why: what `auto` chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from baco_core.config import DecodeConfig
from baco_core.cores import available_cores
from baco_core.engine import Engine, Inline, Threads
from baco_core.errors import ConfigError
from baco_core.pair import Pair
from baco_core.schedules import SCHEDULES, Schedule
from baco_core.source import Source

ScheduleUsed = Literal["plain", "lazy", "speculative", "patient"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule and where its passes run; `reason` is one sentence for people."""

    name: ScheduleUsed
    concurrent: bool
    reason: str

    @property
    def schedule(self) -> Schedule:
        """What an idle model reads."""
        return SCHEDULES[self.name]

    def engine(self) -> Engine:
        """Return a new engine to read with."""
        return Threads() if self.concurrent else Inline(together=self.name != "plain")

    def __str__(self) -> str:
        """Return name, place and reason in one line."""
        name = "speculative" if self.name == "patient" else self.name
        place = "both models at the same time" if self.concurrent else "one pass after the other"
        return f"{name}, {place}: {self.reason}"


def would_run_at_once(decode: DecodeConfig, speakers: frozenset[Source]) -> bool:
    """Return whether the plan for a pair of two models would let them run at the same time."""
    wanted = decode.schedule == "speculative" or (decode.schedule == "auto" and len(speakers) > 1)
    return wanted and available_cores() > 1


def make_plan(decode: DecodeConfig, pair: Pair, speakers: frozenset[Source] = frozenset(Source)) -> Plan:
    """Choose for this pair and a router that chooses among `speakers`.

    Raises ConfigError when the schedule asked for cannot keep its promise with this pair.
    """
    culprit = None if decode.allow_inexact else _inexact(pair)
    if decode.schedule == "auto":
        return _automatic(pair, culprit, speakers)
    if decode.schedule == "speculative":
        if culprit:
            raise ConfigError(
                f"decode.schedule: 'speculative' must not change the text, but rows of the {culprit} model "
                "depend on how reading is cut (precision, provider, or the backend's option exact: false); "
                "use 'plain', or set decode.allow_inexact: true."
            )
        return _speculative(pair, "as asked for")
    return Plan(decode.schedule, False, "as asked for")


def _automatic(pair: Pair, culprit: Source | None, speakers: frozenset[Source]) -> Plan:
    if culprit:
        return Plan("plain", False, f"rows of the {culprit} model depend on how reading is cut")
    if len(speakers) == 1 and not _is_shared(pair):
        return Plan("lazy", False, f"only the {next(iter(speakers))} model is ever chosen")
    return _speculative(pair, "")


def _speculative(pair: Pair, reason: str) -> Plan:
    if _is_shared(pair):
        return Plan("speculative", False, reason or "both sources share one model and read in one pass")
    if available_cores() > 1:
        return Plan("speculative", True, reason or "two models on two or more cores")
    return Plan("patient", False, reason or "two models on one core")


def _is_shared(pair: Pair) -> bool:
    return pair.members[Source.BASE].model is pair.members[Source.ALIGNED].model


def _inexact(pair: Pair) -> Source | None:
    return next((source for source, member in pair.members.items() if not member.model.exact), None)
