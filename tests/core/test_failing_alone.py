"""Where a scheduler is told to, it lets a text that cannot go on fail alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from baco_core.decoding import Decoding
from baco_core.engine import Engine, Inline, Threads
from baco_core.errors import ModelError
from baco_core.rows import Rows
from baco_core.scheduler import Reader, Scheduler
from baco_core.schedules import SCHEDULES
from baco_core.scoring import Scoring
from baco_core.source import Source
from baco_core.testing.fakes import FakeModel, FakeSequence, ScriptedRouter
from tests.core.test_scheduler import text
from tests.core.worlds import ALIGNED, BASE, CONTEXTS, SHARED, World, run, told

BOTH = frozenset(Source)


class Fussy(FakeModel):
    """Will not read a context that begins with 1, and reads all sequences or none."""

    def open(self) -> FakeSequence:
        return FussySequence(self)

    def extend_many(
        self, sequences: Sequence[object], token_ids: Sequence[Sequence[int]], rows: Sequence[int]
    ) -> list[Rows]:
        if any(one.spoilt for one in sequences):  # type: ignore[attr-defined]
            raise ModelError("one is spoilt")
        return super().extend_many(sequences, token_ids, rows)  # type: ignore[arg-type]


class FussySequence(FakeSequence):
    """Raises when it is spoilt."""

    @property
    def spoilt(self) -> bool:
        return self.length > 3 and self.history[0] == 1

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        if self.spoilt:
            raise ModelError("spoilt")
        return super().extend(token_ids, rows)

    def fork(self, n: int) -> list[object]:  # type: ignore[override]
        return [FussySequence(self.model, list(self.history)) for _ in range(n)]


def world() -> World:
    made = World()
    made.models = {
        source: Fussy(seed, SHARED.size, favour=range(256, SHARED.size))
        for seed, source in enumerate(Source, 1)
    }
    return made


@pytest.mark.parametrize("engine", [Inline, Threads])
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_only_the_text_a_model_cannot_read_fails(schedule: str, engine: Callable[[], Engine]) -> None:
    made, router = world(), ScriptedRouter((BASE, ALIGNED), BOTH)
    good, bad = text(made, router, 1), text(made, router, 2)
    for source, lane in made.lanes({**CONTEXTS, BASE: (1, 1, 1, 1)}).items():
        bad.lanes[source].__dict__.update(lane.__dict__)
    lost: list[tuple[Reader, Exception]] = []
    scheduler = Scheduler(
        list(made.models.values()), SCHEDULES[schedule], engine(), lambda *one: lost.append(one)
    )
    scheduler.add(good)
    scheduler.add(bad)
    steps = []
    while scheduler.busy:
        steps += [step for reader, step in scheduler.run() if reader is good]
    scheduler.close()
    assert [(reader, str(error)) for reader, error in lost] == [(bad, "spoilt")]
    assert told(steps) == told(run(world(), router, seed=1))


def test_a_paused_text_is_left_as_it_is_and_goes_on_later() -> None:
    made, router = World(), ScriptedRouter((BASE, ALIGNED), BOTH)
    one, other = text(made, router, 1), text(made, router, 2)
    scheduler = Scheduler(list(made.models.values()), SCHEDULES["speculative"], Threads())
    found: dict[Decoding, list[object]] = {one: [], other: []}
    scheduler.add(one)
    scheduler.add(other)
    turn = 0
    while scheduler.busy or turn < 12:
        turn += 1
        if turn == 4:
            scheduler.pause(one)
        if turn == 12:
            before = len(found[one])
            scheduler.add(one)
        for reader, step in scheduler.turn():
            found[reader].append(step)  # type: ignore[index]
            assert reader is not one or not 4 <= turn < 12
    scheduler.close()
    assert before < len(found[one])
    for seed, decoding in ((1, one), (2, other)):
        assert told(found[decoding]) == told(run(World(), router, seed=seed))  # type: ignore[arg-type]


def test_scores_are_read_in_chunks_beside_a_text() -> None:
    made, router = World(), ScriptedRouter((BASE,), BOTH)
    writes, tokens = text(made, router, 1), [65 + at % 20 for at in range(70)]
    scoring = Scoring(made.models[ALIGNED], tokens, 2)
    scheduler = Scheduler(list(made.models.values()), SCHEDULES["lazy"], Inline())
    scheduler.add(writes)
    scheduler.read_for(scoring, scoring.wants)
    turns = 0
    while not scoring.ended:
        scheduler.turn()
        turns += 1
    assert turns > 2
    assert len(scoring.scores) == len(tokens)
    assert scoring.scores[0].logprob is None
    for at in (1, 33, 69):
        row = made.models[ALIGNED].row(tokens[:at]).astype(float)
        logprobs = (
            row - row.max() - float(__import__("numpy").log(sum(2.718281828459045 ** (row - row.max()))))
        )
        assert scoring.scores[at].logprob == pytest.approx(logprobs[tokens[at]], abs=1e-4)
        assert scoring.scores[at].top[0][0] == int(row.argmax())
        assert len(scoring.scores[at].top) == 2
