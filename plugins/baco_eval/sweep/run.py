"""Writes the texts of a sweep that are not there yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from baco_core.config import Config, Part
from baco_core.config_yaml import to_yaml
from baco_core.errors import BacoError, ConfigError
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins
from baco_core.router import speakers_of
from baco_core.where import Where
from baco_eval.metrics.named import placed
from baco_eval.records import Prompt
from baco_eval.sweep.config import SweepConfig, sweep_data
from baco_eval.sweep.grid import Cell, cells_of
from baco_eval.sweep.lines import write_whole
from baco_eval.sweep.lock import locked
from baco_eval.sweep.manifest import (
    CONFIG_NAME,
    MANIFEST_NAME,
    check_same,
    make_manifest,
    read_manifest,
    write_manifest,
)
from baco_eval.sweep.matching import matched
from baco_eval.sweep.methods import rounds
from baco_eval.sweep.progress import Progress
from baco_eval.sweep.store import GENERATIONS_NAME, Store, check_keys, opened_store
from baco_eval.sweep.texts import written

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sweep:
    """Which texts: `cells` x `prompts` x `config.n`."""

    config: SweepConfig
    plugins: Plugins
    prompts: Sequence[Prompt]
    cells: Sequence[Cell]

    @classmethod
    def from_config(cls, config: SweepConfig, plugins: Plugins) -> Sweep:
        """Read the prompts and check every setting; BacoError before any model is opened."""
        return cls(config, plugins, prompts_of(config, plugins), cells_of(config, plugins))

    @property
    def size(self) -> int:
        """How many texts there are when it is done."""
        return len(self.cells) * len(self.prompts) * self.config.n

    def config_of(self, cell: Cell, today: str) -> Config:
        """Return what a setting's texts are written with."""
        return self.config.config(cell.router, cell.sampler, today)

    def run(self, folder: Path, tell: Tell) -> None:
        """Write what is missing in `folder`; `tell` is told how far it is.

        Raises SweepError when the folder is another sweep's, damaged, locked or full. What was finished
        stays, however this ends, and the next run goes on from there.
        """
        _make(folder)
        with locked(folder):
            today = self._claimed(folder)
            with opened_store(folder, tell) as store:
                settings = [cell.setting for cell in self.cells]
                check_keys(folder, list(store.there), settings, self.prompts, self.config.n)
                _Run(self, store, today, tell).finish(folder)

    def _claimed(self, folder: Path) -> str:
        """Write the manifest, or check the one that is there; return the day the sweep was begun."""
        old = read_manifest(folder)
        today = str(date.today()) if old is None else old.today
        settings = [cell.setting for cell in self.cells]
        config = self.config_of(self.cells[0], today)
        new = make_manifest(self.config, config, self.plugins, self.prompts, settings, today)
        if old is not None:
            check_same(old, new, folder)
            return today
        if (folder / GENERATIONS_NAME).exists():
            raise ConfigError(f"{folder}: texts, but no {MANIFEST_NAME}; name another folder.")
        write_whole(folder / CONFIG_NAME, to_yaml(sweep_data(self.config.placed())).encode())
        write_manifest(new, folder)
        return today


@dataclass(frozen=True)
class _Run:
    sweep: Sweep
    store: Store
    today: str
    tell: Tell

    def finish(self, folder: Path) -> None:
        there, size = len(self.store.there), self.sweep.size
        cells = [cell for cell in self.sweep.cells if self._lacking(cell)]
        progress = Progress(size, there, self.tell)
        if there and cells:
            self.tell(f"going on: {there} of {size} texts are there.")
        try:
            if cells:
                self._write(cells, progress)
        except (KeyboardInterrupt, BacoError):
            kept = len(self.store.there)
            self.tell(f"{kept} of {size} texts are kept in {folder}; the same command goes on.")
            raise
        progress.end()

    def _write(self, cells: Sequence[Cell], progress: Progress) -> None:
        opened = self._opened()
        for cell in cells:
            cell = matched(cell, self.store.there)
            pipeline = opened.using(self.sweep.config_of(cell, self.today))
            for jobs in rounds(cell, pipeline, self.sweep.prompts, self.sweep.config.n, self.store.there):
                for text, seconds in written(pipeline, jobs, self.sweep.config.decode.batch):
                    self.store.add(text, seconds)
                    progress.count(f"{cell.setting.method} {cell.setting.id}")

    def _lacking(self, cell: Cell) -> bool:
        config, there = self.sweep.config, self.store.there
        return any(
            (*cell.setting.key, prompt.id, index) not in there
            for prompt in self.sweep.prompts
            for index in range(config.n)
        )

    def _opened(self) -> Pipeline:
        """Open the pair as the settings need it that let most models speak: always in the same way."""
        widest = max(self.sweep.cells, key=lambda cell: len(speakers_of(cell.built)))
        return Pipeline.from_config(self.sweep.config_of(widest, self.today), self.sweep.plugins)


def prompts_of(config: SweepConfig, plugins: Plugins) -> list[Prompt]:
    """Return the prompts of the sweep's task; BacoError when there is none, or when an id is there twice."""
    where = Where(config.origin, "task")
    options = placed(config.task.options, Path(config.origin).parent)
    part = Part(config.task.use, options, config.origin)
    prompts = list(plugins.tasks.build(part, "task").prompts())
    if not prompts:
        raise where.error(f"{part.use!r} has no prompts.")
    twice = [name for name, count in Counter(prompt.id for prompt in prompts).items() if count > 1]
    if twice:
        raise where.error(f"{part.use!r} has the id {twice[0]!r} twice.")
    return prompts


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out: {folder}: cannot make the folder: {error.strerror}.") from error
