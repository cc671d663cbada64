"""Writes the texts of a sweep in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass

from baco_eval.sweep.matching import matched
from baco_eval.sweep.methods import check_asked
from baco_eval.sweep.work import Finished, Work, planned, texts_of, usual_size


@dataclass(frozen=True, slots=True)
class Local:
    """One chunk after the other: a setting is one, unless prompts come first."""

    def write(self, work: Work) -> Generator[Finished, None, None]:
        """Yield each text that lacks as soon as it is finished (see `Executor`)."""
        whole = len(work.prompts)
        size = usual_size(work) if work.config.order == "prompts" else (lambda cell: whole)
        opened = work.opened()
        check_asked(work.cells, opened, work.prompts, work.config.n)
        for chunk in planned(work, size):
            chunk = dataclasses.replace(chunk, cell=matched(chunk.cell, work.there))
            yield from texts_of(chunk, opened, work.config, work.manifest.today, work.there)
