"""Every rule of the conformance check, broken once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from baco_core.router import Decider, Decision, DecisionPoint, Generation
from baco_core.source import Source
from baco_core.testing.routers import check_router

BASE = frozenset({Source.BASE})
SHARED: list[int] = []


@dataclass(frozen=True)
class Honest:
    """A router that holds to the contract; what breaks it is put in by `deciding`."""

    deciding: type[Any]
    needs: Any = BASE
    replayable: Any = True

    def start(self, generation: Generation) -> Decider:
        decider: Decider = self.deciding()
        return decider


class Good:
    def decide(self, point: DecisionPoint) -> Any:
        return Decision(Source.BASE if point.rows[Source.BASE].argmax() % 2 else Source.ALIGNED)


class Silent(Good):
    def decide(self, point: DecisionPoint) -> Any:
        return None if point.position == 4 else super().decide(point)


class BareSource(Good):
    def decide(self, point: DecisionPoint) -> Any:
        return super().decide(point).source


class Text(Good):
    def decide(self, point: DecisionPoint) -> Any:
        return Decision("base")  # type: ignore[arg-type]


class Scribbler(Good):
    def decide(self, point: DecisionPoint) -> Any:
        point.rows[Source.BASE][0] = 0
        return super().decide(point)


class GlobalRandom(Good):
    def decide(self, point: DecisionPoint) -> Any:
        return Decision(Source.BASE if random.random() < 2 else Source.ALIGNED)  # noqa: S311


class GlobalNumpy(Good):
    def decide(self, point: DecisionPoint) -> Any:
        return Decision(Source.BASE, signal=0 * np.random.rand())


class OwnRandom(Good):
    def decide(self, point: DecisionPoint) -> Any:
        return Decision(Source.BASE, signal=float(np.random.default_rng().random()))


class SharedState(Good):
    def __init__(self) -> None:
        SHARED.clear()

    def decide(self, point: DecisionPoint) -> Any:
        SHARED.append(point.position)
        return Decision(Source.BASE, signal=len(SHARED))

    def snapshot(self) -> object:
        return tuple(SHARED)

    def restore(self, snapshot: object) -> None:
        SHARED[:] = snapshot  # type: ignore[call-overload]


class Forgetful(Good):
    """Remembers, but does not say so."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def decide(self, point: DecisionPoint) -> Any:
        self.asked.append(point.position)
        return Decision(Source.BASE, signal=len(self.asked))


class Honestly(Forgetful):
    def snapshot(self) -> object:
        return tuple(self.asked)

    def restore(self, snapshot: object) -> None:
        self.asked = list(snapshot)  # type: ignore[call-overload]


class LiveSnapshot(Honestly):
    def snapshot(self) -> object:
        return self.asked

    def restore(self, snapshot: object) -> None:
        self.asked = snapshot  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("deciding", "words"),
    [
        (Silent, "None: only members of a chain"),
        (BareSource, "must answer a Decision"),
        (Text, "source must be a Source, not 'base'"),
        (GlobalRandom, "use generation.uniform"),
        (GlobalNumpy, "use generation.uniform"),
        (OwnRandom, "same decisions in every run"),
        (SharedState, "two generations share state"),
        (Forgetful, r"give the decider snapshot\(\) and restore\(\)"),
        (LiveSnapshot, r"after restore\(snapshot"),
    ],
)
def test_each_broken_rule_is_named(deciding: type[Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_router(Honest(deciding))


@pytest.mark.parametrize("deciding", [Good, Honestly])
def test_a_router_that_keeps_the_rules_passes(deciding: type[Any]) -> None:
    check_router(Honest(deciding))


def test_members_of_a_chain_may_pass() -> None:
    check_router(Honest(Silent), may_pass=True)


def test_rows_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        check_router(Honest(Scribbler))


def test_a_router_sees_no_rows_but_those_it_needs() -> None:
    with pytest.raises(KeyError):
        check_router(Honest(Good, needs=frozenset({Source.ALIGNED})))


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ({Source.BASE}, "hash|frozenset"),
        ((Source.BASE,), "`needs` must be a frozenset"),
        (frozenset({"left"}), "Source"),
    ],
)
def test_needs_must_be_a_frozenset_of_sources(needs: object, words: str) -> None:
    with pytest.raises((AssertionError, TypeError), match=words):
        check_router(Honest(Good, needs=needs))


def test_replayable_must_be_a_truth_value() -> None:
    with pytest.raises(AssertionError, match="`replayable` must be True or False"):
        check_router(Honest(Good, replayable="no"))


@dataclass(frozen=True)
class Blending:
    """Gives rows of its own, right or wrong."""

    width: int = 0
    fill: float = 0.0
    random: bool = False
    at_every_token: bool = True
    needs = frozenset(Source)

    def start(self, generation: Generation) -> Blending:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        noise = np.random.default_rng().random() if self.random else 0.0
        size = point.rows[Source.BASE].size + self.width
        return Decision(Source.ALIGNED, row=np.full(size, self.fill + noise, np.float32))


def test_rows_of_a_routers_own_are_looked_at() -> None:
    check_router(Blending())
    for wrong, words in (
        (Blending(width=1), "must be float32 of shape"),
        (Blending(fill=float("-inf")), "must be a distribution"),
        (Blending(random=True), "must give the same rows"),
        (Blending(at_every_token=False), "must be float32 of shape"),
    ):
        with pytest.raises(AssertionError, match=words):
            check_router(wrong)


@dataclass
class Thawed:
    needs: frozenset[Source] = BASE

    def __hash__(self) -> int:
        return 0

    def start(self, generation: Generation) -> Decider:
        return Good()


@dataclass(frozen=True, eq=False)
class Nobody:
    needs: frozenset[Source] = field(default=BASE)

    def start(self, generation: Generation) -> Decider:
        return Good()


def test_recipes_must_be_frozen_values() -> None:
    with pytest.raises(AssertionError, match="must be frozen"):
        check_router(Thawed())
    with pytest.raises(AssertionError, match="a router is a value"):
        check_router(Nobody())
