"""`check_router`: what every router must hold to, for plugin authors' tests."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from baco_core.noise import UniformStream
from baco_core.router import (
    Decision,
    DecisionPoint,
    Generation,
    Router,
    StatefulDecider,
    asks_everywhere,
)
from baco_core.rows import Logits
from baco_core.source import Source
from baco_core.vocabulary import Vocabulary

_WORDS = (
    b" the",
    b" of",
    b" cat",
    b"cat",
    b",",
    b".",
    b"\n",
    b" **",
    b" ",
    b"'s",
    b" 7",
    b"\xe2\x80",
    b" \xc3\xa9",
)
_TEXTS = ("", "The cat", "The cat sat.\n", "It's ", "«Où?» ", "1. one\n2", "日本語", "🙂 ")


@dataclass(frozen=True, slots=True)
class Trial:
    """One made-up generation: what the router may know of it, and its decision points in order."""

    generation: Generation
    points: tuple[DecisionPoint, ...]


def check_router(
    router: Router, *, trials: int = 8, length: int = 12, seed: int = 0, may_pass: bool = False
) -> None:
    """Check the contract of `baco_core.router` on made-up generations; AssertionError names the rule.

    It checks that the recipe is frozen and a value, `needs` a frozenset of Source, answers are
    decisions (None only with `may_pass`, for members of a `chain`), the same for the same point, of one
    generation apart from any other, without writing to rows or drawing from global random numbers,
    for two vocabularies of different sizes and rows wider than them (one vocabulary and rows of its
    width, where the router is `at_every_token`), that rows it gives are distributions over the
    speaker's vocabulary, and that a decider with state gives it back. Questions to a member of the pair
    are answered by made-up numbers.
    """
    _check_recipe(router)
    shared = asks_everywhere(router)
    made = [make_trial(router.needs, length, seed + index, shared=shared) for index in range(trials)]
    for trial in made:
        answers = _decide(router, trial, range(length))
        _check_answers(answers, may_pass, getattr(router, "speakers", frozenset(Source)))
        _check_rows(answers, trial.generation)
        _check_repeatable(router, trial, answers)
        _check_state(router, trial, answers)
    _check_apart(router, made)


def make_trial(needs: frozenset[Source], length: int = 12, seed: int = 0, *, shared: bool = False) -> Trial:
    """Return a generation with `length` decision points whose rows are random, tied, sharp or huge.

    With `shared` both sources have one vocabulary, and rows are as wide as it.
    """
    rng = np.random.default_rng(seed)
    sizes = {Source.BASE: 24 + seed % 7, Source.ALIGNED: 24 + seed % 7 if shared else 40 + seed % 5}
    vocabularies = {source: _vocabulary(size) for source, size in sizes.items()}
    generation = Generation(
        "Tell me a story.", MappingProxyType(vocabularies), UniformStream(seed, seed % 3), _consult
    )
    points = []
    for index in range(length):
        rows = {source: _row(rng, sizes[source] + (0 if shared else 3), index) for source in sorted(needs)}
        current = None if index == 0 else list(Source)[int(rng.integers(2))]
        text = _TEXTS[index % len(_TEXTS)] if index else ""
        points.append(DecisionPoint(2 * index, text, MappingProxyType(rows), current))
    return Trial(generation, tuple(points))


def _vocabulary(size: int) -> Vocabulary:
    words = tuple(_WORDS[index % len(_WORDS)] for index in range(size - 1))
    return Vocabulary((*words, b""), special_ids=frozenset({size - 1}), end_ids=frozenset({size - 1}))


def _row(rng: np.random.Generator, size: int, index: int) -> Logits:
    row = rng.normal(scale=(0.0, 2.0, 20.0, 1e30)[index % 4], size=size).astype(np.float32)
    if index % 3 == 0:
        row[rng.permutation(size)[: size // 2]] = -np.inf
    row.setflags(write=False)
    return row


def _consult(source: Source, question: str, answers: Sequence[str]) -> list[float]:
    return [-1.0 - (len(question) * (index + 2) + len(source)) % 5 for index, _ in enumerate(answers)]


def _check_recipe(router: Router) -> None:
    twin = copy.deepcopy(router)
    assert twin == router, "a router is a value: its copy must equal it (make it a frozen dataclass)"
    assert hash(twin) == hash(router), "a router is a value: its copy must have the same hash"
    _check_frozen(router)
    assert isinstance(router.needs, frozenset), "`needs` must be a frozenset"
    assert all(isinstance(need, Source) for need in router.needs), (
        "`needs` must hold Source.BASE or Source.ALIGNED"
    )
    assert router.needs == twin.needs, "`needs` must not change"
    for name in ("replayable", "at_every_token", "blocking"):
        assert isinstance(getattr(router, name, True), bool), f"`{name}` must be True or False"
    speakers = getattr(router, "speakers", frozenset(Source))
    assert isinstance(speakers, frozenset), "`speakers` must be a frozenset of sources"
    assert frozenset() < speakers <= frozenset(Source), "`speakers` must hold Source.BASE or Source.ALIGNED"


def _check_frozen(router: Router) -> None:
    try:
        router.some_new_attribute = 1  # type: ignore[attr-defined]
    except (FrozenInstanceError, AttributeError, TypeError):
        return
    raise AssertionError("a router must be frozen: its attributes can be set (use @dataclass(frozen=True))")


def _decide(router: Router, trial: Trial, indices: Sequence[int]) -> list[Decision | None]:
    decider = router.start(trial.generation)
    return [decider.decide(trial.points[index]) for index in indices]


def _check_answers(answers: Sequence[Decision | None], may_pass: bool, speakers: frozenset[Source]) -> None:
    for answer in answers:
        if answer is None:
            assert may_pass, "decide() answered None: only members of a chain may have no opinion"
            continue
        assert isinstance(answer, Decision), f"decide() must answer a Decision, not {answer!r}"
        assert isinstance(answer.source, Source), (
            f"a decision's source must be a Source, not {answer.source!r}"
        )
        assert answer.source in speakers, f"`speakers` lacks {answer.source}, who was chosen"


def _check_rows(answers: Sequence[Decision | None], generation: Generation) -> None:
    for answer in answers:
        if answer is None or answer.row is None:
            continue
        size = generation.vocabularies[answer.source].size
        fits = answer.row.shape == (size,) and answer.row.dtype == np.float32
        assert fits, f"a decision's row must be float32 of shape ({size},), one logit a token of its source"
        assert np.isfinite(answer.row.max()), "a decision's row must be a distribution: its largest finite"


def _check_repeatable(router: Router, trial: Trial, answers: Sequence[Decision | None]) -> None:
    everything = range(len(trial.points))
    for _ in range(2):
        before = _global_state()
        again = _decide(router, trial, everything)
        assert _global_state() == before, "use generation.uniform, not the global random numbers"
        assert again == answers, "the same points must give the same decisions in every run"
        assert _rows_of(again) == _rows_of(answers), "the same points must give the same rows in every run"


def _rows_of(answers: Sequence[Decision | None]) -> list[bytes | None]:
    rows = [None if answer is None else answer.row for answer in answers]
    return [None if row is None else row.tobytes() for row in rows]


def _global_state() -> tuple[object, ...]:
    state: Any = np.random.get_state()
    return random.getstate(), state[1].tobytes(), *state[2:]


def _check_state(router: Router, trial: Trial, answers: Sequence[Decision | None]) -> None:
    decider = router.start(trial.generation)
    if not isinstance(decider, StatefulDecider):
        backwards = _decide(router, trial, range(len(answers) - 1, -1, -1))
        assert backwards[::-1] == answers, (
            "decisions depend on earlier ones: give the decider snapshot() and restore()"
        )
        return
    half = len(answers) // 2
    for point in trial.points[:half]:
        decider.decide(point)
    snapshot = decider.snapshot()
    for _ in range(2):
        rest = [decider.decide(point) for point in trial.points[half:]]
        assert rest == answers[half:], "after restore(snapshot()) the decisions must be the same again"
        decider.restore(snapshot)


def _check_apart(router: Router, trials: Sequence[Trial]) -> None:
    alone = [_decide(router, trial, range(len(trial.points))) for trial in trials]
    deciders = [router.start(trial.generation) for trial in trials]
    together: list[list[Decision | None]] = [[] for _ in trials]
    for index in range(len(trials[0].points)):
        for decider, trial, answers in zip(deciders, trials, together, strict=True):
            answers.append(decider.decide(trial.points[index]))
    assert together == alone, "two generations share state: keep it in the decider that start() returns"
