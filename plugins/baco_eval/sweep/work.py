"""What an executor has to do: the texts of a sweep that are not there yet, in chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_core.router import speakers_of
from baco_eval.methods.method import shows_earlier
from baco_eval.records import Generation, Prompt, Setting
from baco_eval.sweep.config import SweepConfig
from baco_eval.sweep.grid import Cell
from baco_eval.sweep.manifest import Manifest
from baco_eval.sweep.methods import rounds
from baco_eval.sweep.store import Key
from baco_eval.sweep.texts import written

Finished = tuple[Generation, float]
"""A text, and the seconds it took."""
Tell = Callable[[str], None]
FILLS = 4
"""How often a chunk of usual size fills the batch: its end, where the batch runs empty, then costs little."""


@dataclass(frozen=True)
class Work:
    """The texts of `cells` x `prompts` x `config.n`; those that are `there` need not be written."""

    config: SweepConfig
    plugins: Plugins
    prompts: Sequence[Prompt]
    cells: Sequence[Cell]
    manifest: Manifest
    there: Mapping[Key, Generation]
    """Grows as texts are finished."""
    tell: Tell

    def opened(self) -> Pipeline:
        """Open the pair as the settings need it that let most models speak: always in the same way."""
        widest = max(self.cells, key=lambda cell: len(speakers_of(cell.built)))
        config = self.config.config(widest.router, widest.sampler, self.manifest.today)
        return Pipeline.from_config(config, self.plugins)


class Executor(Protocol):
    """Where texts are written."""

    def write(self, work: Work) -> Generator[Finished, None, None]:
        """Yield each text that lacks as soon as it is finished; closing the generator ends all work.

        Whoever iterates adds a text to `work.there` before asking for the next. Raises BacoError.
        """


@dataclass(frozen=True, slots=True)
class Chunk:
    """Texts of one setting for some prompts, all those that lack; one worker writes them."""

    cell: Cell
    prompts: Sequence[Prompt]
    first: int
    """The place of the first prompt in the task."""

    def keys(self, n: int) -> list[Key]:
        """Return the keys of all its texts, there or not."""
        return [(*self.cell.setting.key, prompt.id, index) for prompt in self.prompts for index in range(n)]


def planned(work: Work, size: Callable[[Cell], int]) -> list[Chunk]:
    """Return the chunks that lack texts, of `size` prompts each, in the order of `config.order`.

    Controls are last: each waits for the texts that it matches.
    """
    chunks = [
        Chunk(cell, work.prompts[first : first + size(cell)], first)
        for cell in work.cells
        for first in range(0, len(work.prompts), size(cell))
    ]
    if work.config.order == "prompts":
        chunks.sort(key=lambda chunk: (chunk.cell.setting.matches is not None, chunk.first))
    return [chunk for chunk in chunks if any(key not in work.there for key in chunk.keys(work.config.n))]


def usual_size(work: Work, workers: int = 1) -> Callable[[Cell], int]:
    """Return how many prompts a chunk of a setting has: enough to fill a batch, and each worker gets some."""
    config, share = work.config, ceil(len(work.prompts) / workers)
    batch = config.decode.batch

    def size(cell: Cell) -> int:
        # of texts that show earlier ones, only one a prompt can be written at a time
        wanted = batch if shows_earlier(cell.method) else ceil(FILLS * batch / config.n)
        return max(1, min(wanted, share))

    return size


def lacking(work: Work, setting: Setting) -> int:
    """Return how many texts a control waits for: those that lack of what it matches; 0 for any other."""
    if setting.matches is None:
        return 0
    there = Counter((text.method, text.setting) for text in work.there.values())
    return len(work.prompts) * work.config.n - there[setting.matches]


def texts_of(
    chunk: Chunk, opened: Pipeline, config: SweepConfig, today: str, there: Mapping[Key, Generation]
) -> Iterator[Finished]:
    """Yield the texts of a chunk that lack. Its cell is as `matched` gives it; `there` must grow."""
    pipeline = opened.using(config.config(chunk.cell.router, chunk.cell.sampler, today))
    for jobs in rounds(chunk.cell, pipeline, chunk.prompts, config.n, there):
        yield from written(pipeline, jobs, config.decode.batch)
