"""What is read for a text of a request: the schedule it asks for, or what is quicker with so much company."""

from __future__ import annotations

from collections.abc import Iterator

from baco_core.decoding import Decoding
from baco_core.lane import Reading
from baco_core.model import Model
from baco_core.pipeline import Pipeline
from baco_core.schedules import SCHEDULES, Schedule, lazy

FEW = 1
"""Up to so many texts guesses are read ahead."""


def schedule_of(pipeline: Pipeline) -> Schedule:
    """Return the schedule of a request's texts; none changes what they say."""
    schedule = pipeline.plan.schedule
    if pipeline.decode.schedule != "auto" or schedule not in (SCHEDULES["speculative"], SCHEDULES["patient"]):
        return schedule
    if len(pipeline.pair.models) == 1:
        return schedule  # reads no guesses

    def by_company(decoding: Decoding, model: Model, texts: int) -> Iterator[Reading]:
        return (schedule if texts <= FEW else lazy)(decoding, model, texts)

    return by_company
