"""Contestants that run in turn, and what their runs say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from worker import WorkerError

from baco_core.bench.bench import in_turn
from baco_core.bench.figures import NotMeasured, spread

Answer = Mapping[str, Any]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """A name, what runs it in a round, and what is constant about it."""

    name: str
    run: Callable[[int], Answer]


@dataclass
class Contest:
    """Runs contestants in turn: a warm-up round, then `rounds` that count."""

    contestants: Sequence[Contestant]
    rounds: int
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Contestants that could not run, and why."""

    def work(self) -> Contest:
        """Run all rounds and return itself."""
        able = [one for one in self.contestants if self._warmed(one)]
        for number in range(self.rounds):
            for one in in_turn(able, number):
                answer = with_speed(one.run(number))
                self.answers.setdefault(one.name, []).append({"round": number, **answer})
                self._tell(f"{number + 1}/{self.rounds} {one.name}: {_said(answer)}")
        return self

    def _warmed(self, one: Contestant) -> bool:
        try:
            one.run(0)
        except WorkerError as error:
            self.missing[one.name] = str(error)
        self._tell(f"warm-up: {one.name} {self.missing.get(one.name, '')}")
        return one.name not in self.missing

    @property
    def notes(self) -> list[str]:
        """Say who is missing."""
        return [f"{name} was not measured: {why}" for name, why in self.missing.items()]

    def row(self, name: str, figures: Sequence[str]) -> Figures:
        """Return the medians and quartiles of some figures of a contestant."""
        return {"name": name, **{figure: plain(self._spread(name, figure)) for figure in figures}}

    def rows(self, *figures: str) -> list[Figures]:
        """Return that of all contestants."""
        return [self.row(one.name, figures) for one in self.contestants if one.name in self.answers]

    def ratio(self, name: str, other: str | Sequence[str], figure: str = "ms_per_token") -> Figures:
        """Return a figure over another's in the same round, or over the sum of several others'."""
        others = [other] if isinstance(other, str) else list(other)
        absent = [one for one in (name, *others) if one not in self.answers]
        if absent:
            return plain(NotMeasured(self.missing.get(absent[0], f"there is no {absent[0]}")))
        values: list[float | NotMeasured] = []
        for number, answer in enumerate(self.answers[name]):
            above = answer.get(figure)
            below = [self.answers[one][number].get(figure) for one in others]
            known = [value for value in below if value is not None]
            if above is None or len(known) < len(below):
                values.append(NotMeasured("a run wrote too little"))
            else:
                values.append(above / sum(known))
        return plain(spread(values))

    def _spread(self, name: str, figure: str) -> Any:
        if name not in self.answers:
            return NotMeasured(self.missing.get(name, f"there is no {name}"))
        values = [answer.get(figure) for answer in self.answers[name]]
        kept = [value if isinstance(value, (int, float)) else NotMeasured(_reason(value)) for value in values]
        return spread(kept)

    @staticmethod
    def _tell(text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)


def with_speed(answer: Answer) -> Answer:
    """Return an answer with the figures that follow from its seconds, where it has none of its own."""
    if "ids" not in answer:
        return answer
    tokens = len(answer["ids"])
    speed = 1000 * answer["decode_seconds"] / (tokens - 1)
    return {"tokens": tokens, "ms_per_token": speed, **{k: v for k, v in answer.items() if k != "ids"}}


def plain(value: Any) -> Figures:
    """Return a spread, or the reason for none, as data."""
    data: Figures = msgspec.to_builtins(value)
    return data


def _reason(value: Any) -> str:
    return str(value).removeprefix("not measured: ") if value else "a run wrote too little"


def _said(answer: Answer) -> str:
    speed = answer.get("ms_per_token")
    share = answer.get("base_share")
    told = f"{speed:.2f} ms a token" if speed is not None else "too little written"
    return f"{told}, base share {share:.0%}" if share is not None else told
