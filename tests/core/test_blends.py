"""Routers that give a row of their own: baselines that blend both models' rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from baco_core.decode import Rules
from baco_core.decoding import Decoding
from baco_core.errors import PluginError
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.router import Decision, DecisionPoint, Generation
from baco_core.rows import Logits
from baco_core.schedules import SCHEDULES
from baco_core.source import Source
from baco_core.testing.fakes import PlainSampler
from tests.core.worlds import ALIGNED, BASE, World, generation, told, write


@dataclass(frozen=True)
class Blend:
    """Picks from weight * base + (1 - weight) * aligned, in logits."""

    weight: float
    speaker: Source = ALIGNED
    wrong: bool = False
    needs = frozenset(Source)

    def start(self, generation: Generation) -> Blend:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        row: Logits = self.weight * point.rows[BASE] + (1 - self.weight) * point.rows[ALIGNED]
        return Decision(self.speaker, row=(row[1:] if self.wrong else row).astype(np.float32))


@dataclass(frozen=True)
class Alone:
    """One model writes all."""

    source: Source
    needs = frozenset(Source)

    def start(self, generation: Generation) -> Alone:
        return self

    def decide(self, point: DecisionPoint) -> Decision:
        return Decision(self.source)


def texts(world: World, router: Blend | Alone, schedule: str = "plain", seed: int = 3) -> object:
    rules = Rules(router.needs, world.vocabularies, {}, 24, switch_everywhere=True)
    picker = Picker(PlainSampler(), GumbelNoise(seed))
    decoding = Decoding(world.lanes(length=24), router.start(generation(world, seed, 0)), picker, rules)
    return told(write(world, decoding, schedule=schedule))


@pytest.mark.parametrize(("weight", "source"), [(0.0, ALIGNED), (1.0, BASE)])
def test_at_its_ends_a_blend_writes_what_one_model_writes(weight: float, source: Source) -> None:
    blended = texts(World(), Blend(weight, speaker=source))
    assert blended == texts(World(), Alone(source))


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_a_blend_writes_the_same_on_every_schedule(schedule: str) -> None:
    blended = texts(World(), Blend(0.5), schedule)
    assert blended == texts(World(), Blend(0.5))
    assert blended not in (texts(World(), Alone(BASE)), texts(World(), Alone(ALIGNED)))


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(PluginError, match=r"router answered a row at position 0 .* float32 of shape"):
        texts(World(), Blend(0.5, wrong=True))
