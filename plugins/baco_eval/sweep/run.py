"""Writes the texts of a sweep that are not there yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from baco_core.config import Config, Part
from baco_core.config_yaml import to_yaml
from baco_core.errors import BacoError, ConfigError
from baco_core.plugins import Plugins
from baco_core.where import Where
from baco_eval.metrics.named import placed
from baco_eval.records import Prompt
from baco_eval.sweep.budget import Budget
from baco_eval.sweep.config import SweepConfig, sweep_data
from baco_eval.sweep.grid import Cell, cells_of
from baco_eval.sweep.lines import write_whole
from baco_eval.sweep.local import Local
from baco_eval.sweep.lock import locked
from baco_eval.sweep.manifest import (
    CONFIG_NAME,
    MANIFEST_NAME,
    Manifest,
    check_same,
    make_manifest,
    read_manifest,
    write_manifest,
)
from baco_eval.sweep.progress import Progress
from baco_eval.sweep.store import GENERATIONS_NAME, Store, check_keys, opened_store
from baco_eval.sweep.work import Executor, Tell, Work

LOCAL = Local()


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

    def run(self, folder: Path, tell: Tell, executor: Executor = LOCAL) -> None:
        """Write what is missing in `folder`, as far as the budget goes; `tell` is told how far it is.

        Only this process writes there, whatever executes. Raises SweepError when the folder is another
        sweep's, damaged, locked or full. What was finished stays, however this ends, and the next run
        goes on from there.
        """
        _make(folder)
        with locked(folder):
            manifest = self._claimed(folder)
            with opened_store(folder, tell) as store:
                check_keys(folder, list(store.there), manifest.settings, self.prompts, self.config.n)
                work = Work(self.config, self.plugins, self.prompts, self.cells, manifest, store.there, tell)
                _Run(work, store, folder).finish(executor)

    def _claimed(self, folder: Path) -> Manifest:
        """Return the manifest that is there, if it is of the same sweep; else write one."""
        old = read_manifest(folder)
        today = str(date.today()) if old is None else old.today
        settings = [cell.setting for cell in self.cells]
        config = self.config_of(self.cells[0], today)
        new = make_manifest(self.config, config, self.plugins, self.prompts, settings, today)
        if old is not None:
            check_same(old, new, folder)
            return old
        if (folder / GENERATIONS_NAME).exists():
            raise ConfigError(f"{folder}: texts, but no {MANIFEST_NAME}; name another folder.")
        write_whole(folder / CONFIG_NAME, to_yaml(sweep_data(self.config.placed())).encode())
        write_manifest(new, folder)
        return new


@dataclass(frozen=True)
class _Run:
    """One run: what the executor finishes is kept, until all is there or the budget is spent."""

    work: Work
    store: Store
    folder: Path

    def finish(self, executor: Executor) -> None:
        there, size, tell = len(self.store.there), self._size, self.work.tell
        progress = Progress(size, there, tell)
        if 0 < there < size:
            tell(f"going on: {there} of {size} texts are there.")
        try:
            limit = self._write(executor, progress) if there < size else ""
        except (KeyboardInterrupt, BacoError):
            tell(f"{self._kept}; the same command goes on.")
            raise
        if limit and len(self.store.there) < size:
            tell(f"{limit} is reached: {self._kept}; the same command goes on with more.")
            return
        progress.end()

    def _write(self, executor: Executor, progress: Progress) -> str:
        """Keep what lacks, each text as it is finished; return the limit that was reached, if any."""
        budget = Budget(self.work.config.budget, self.store.there.values())
        if limit := budget.spent():
            return limit
        with closing(executor.write(self.work)) as texts:
            for text, seconds in texts:
                self.store.add(text, seconds)
                progress.count(f"{text.method} {text.setting}")
                budget.count(text)
                if limit := budget.spent():
                    return limit
        return ""

    @property
    def _size(self) -> int:
        return len(self.work.cells) * len(self.work.prompts) * self.work.config.n

    @property
    def _kept(self) -> str:
        return f"{len(self.store.there)} of {self._size} texts are kept in {self.folder}"


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
