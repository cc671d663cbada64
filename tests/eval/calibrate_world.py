"""Routers with knobs of all kinds, and base shares that are made instead of written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from baco_core.config import Config, Part, load_config
from baco_core.hookspecs import hookimpl
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_eval.calibrate.knob import Knob, knob_of
from baco_eval.calibrate.shares import Measured, Shares, opened_for
from baco_eval.records import Prompt

TINY = (
    "decode.max_new_tokens=8",
    "decode.batch=4",
    "decode.schedule=plain",
    "backend.options.intra_op_threads=1",
)
PROMPTS = [Prompt(name, f"Tell me a story about a {name}.") for name in ("fox", "king", "boat", "tree")]


@dataclass(frozen=True)
class Turn:
    """Base at every n-th word, where n is gamma: less base for more gamma, and no signal is told."""

    gamma: Annotated[int, msgspec.Meta(ge=1, le=12)]

    @property
    def needs(self) -> frozenset[Source]:
        return frozenset()

    def start(self, generation: Generation) -> Decider:
        return TurnDecider(self.gamma)


@dataclass(frozen=True)
class TurnDecider:
    gamma: int

    def decide(self, point: DecisionPoint) -> Decision:
        words = len(point.text.split())
        return Decision(Source.BASE if words % self.gamma == 0 else Source.ALIGNED)


@dataclass(frozen=True)
class Open(Turn):
    """A gamma between two limits that it may not take."""

    gamma: Annotated[float, msgspec.Meta(gt=0, lt=3)] = 1.0  # type: ignore[assignment]


@dataclass(frozen=True)
class Named(Turn):
    """A gamma that is no number."""

    gamma: str = "much"  # type: ignore[assignment]


@dataclass(frozen=True)
class Choosy(Turn):
    """A gamma whose limits only the router knows."""

    gamma: float | None = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.gamma is not None and not -1 <= self.gamma <= 10:
            raise ValueError(f"gamma must be from -1 to 10, not {self.gamma}")


class Knobs:
    """Registers the routers."""

    @hookimpl
    def register_routers(self, register: Callable[[str, object], None]) -> None:
        register("turn", Turn)
        register("open", Open)
        register("named", Named)
        register("choosy", Choosy)


def knob_plugins() -> Plugins:
    return load_plugins(given={"knobs": Knobs()})


def tiny_config(*overrides: str) -> Config:
    return load_config(None, [*TINY, *overrides])


def opened(plugins: Plugins) -> Pipeline:
    config = tiny_config()
    return opened_for(config, knob_of(config.router, plugins), plugins)


class MadeShares(Shares):
    """Shares that a function of gamma says, on one prompt of 1000 tokens."""

    def __init__(
        self,
        share_of: Callable[[float], float],
        low: float,
        high: float,
        signals: Sequence[float] = (),
        whole: bool = False,
    ) -> None:
        self.share_of = share_of
        self.signals = tuple(signals)
        self.asked: list[float] = []
        self.knob = Knob(Part("made"), low, high, whole)
        self._known = {}

    def _measured(self, gamma: float) -> Measured:
        self.asked.append(gamma)
        return Measured(gamma, ((round(1000 * self.share_of(gamma)), 1000),), 1, self.signals)


def falling(gamma: float) -> float:
    """Return a share that falls with a threshold in nats, 0.8 at most."""
    return 0.8 / (1 + math.exp(gamma - 2))
