"""Schedules: which readings an idle model is given. They never change what is written.

`plain` is the reference: both models read every token at once, one after the other, each in a pass of
its own. `lazy` reads what is asked for, and an idle model catches up in one chunk. `speculative` uses
what would be idle besides: a model both sources share reads for both in one pass; of two models, the
one nobody waits for reads ahead what it would write itself, while the other checks what it wrote so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from baco_core.decoding import Decoding
from baco_core.lane import Reading
from baco_core.model import Model
from baco_core.source import Source

Schedule = Callable[[Decoding, Model, int], Iterator[Reading]]
"""Yields what a model should read now for one of so many texts; nothing where it should stay idle."""


def plain(decoding: Decoding, model: Model, texts: int) -> Iterator[Reading]:
    """Read for every source of a text that waits for any."""
    if decoding.wanted:
        yield from _given(decoding.demand(source) for source in _sources(decoding, model))


def lazy(decoding: Decoding, model: Model, texts: int) -> Iterator[Reading]:
    """Read what is waited for."""
    yield from _given(
        decoding.demand(source) for source in _sources(decoding, model) if source in decoding.wanted
    )


def speculative(decoding: Decoding, model: Model, texts: int) -> Iterator[Reading]:
    """Read what is waited for and what is guessed to follow; else guess, or check guesses.

    A source of the same model that is not waited for reads along. So does one of another model where there
    are several texts: then no model is ever idle, and a guess would only hold up what is known.
    """
    if decoding.wanted:
        alone = texts == 1 and not decoding.one_model
        yield from _given(_ahead(decoding, source, alone=alone) for source in _sources(decoding, model))


def _ahead(decoding: Decoding, source: Source, *, alone: bool) -> Reading | None:
    if source in decoding.wanted:
        return decoding.demand_ahead(source)
    if not alone:
        return decoding.along(source)
    return decoding.guess(source) if source is decoding.drafter else decoding.check(source)


def patient(decoding: Decoding, model: Model, texts: int) -> Iterator[Reading]:
    """`speculative` for two models that take turns: one guesses for a while, then the other checks.

    Of several texts none holds another up: each model reads what there is for it.
    """
    if texts > 1 or not _is_worth_waiting(decoding, model):
        yield from speculative(decoding, model, texts)


def _is_worth_waiting(decoding: Decoding, model: Model) -> bool:
    """Return whether the model checks guesses, and more of them may come before somebody waits for it."""
    mine = list(_sources(decoding, model))
    if len(mine) != 1 or mine[0] is decoding.drafter:
        return False
    return mine[0] not in decoding.wanted or decoding.may_guess(decoding.drafter)


SCHEDULES: Mapping[str, Schedule] = {
    "plain": plain,
    "lazy": lazy,
    "speculative": speculative,
    "patient": patient,
}
"""By name; `patient` is how `speculative` runs where passes of two models cannot run at the same time."""


def _sources(decoding: Decoding, model: Model) -> Iterator[Source]:
    return (source for source, lane in decoding.lanes.items() if lane.prefix.model is model)


def _given(readings: Iterator[Reading | None]) -> Iterator[Reading]:
    return (reading for reading in readings if reading is not None)
