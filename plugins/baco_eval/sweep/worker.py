"""What runs in another process, maybe on another machine: opens the pair once and writes chunks.

It knows nothing of who carries the messages.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from baco_core.config import Part
from baco_core.config_yaml import parse_yaml
from baco_core.cores import available_cores
from baco_core.errors import BacoError, ConfigError
from baco_core.pipeline import Pipeline
from baco_core.plugins import Plugins, load_plugins
from baco_eval.records import Generation
from baco_eval.sweep.config import SweepConfig, sweep_from_data
from baco_eval.sweep.grid import Cell, cells_of
from baco_eval.sweep.manifest import check_machine
from baco_eval.sweep.matching import with_share
from baco_eval.sweep.methods import check_asked
from baco_eval.sweep.recipe import Failed, Order, Ready, Recipe, Written, packed, unpacked
from baco_eval.sweep.store import Key
from baco_eval.sweep.work import Chunk, Work, texts_of

THREADS = "intra_op_threads"
"""A backend's option that is set, where it is not, to a worker's share of the machine's cores."""


class Worker:
    """Takes a recipe, then orders. What goes wrong is told: nothing of ours is raised."""

    def __init__(self, recipe: bytes) -> None:
        self._recipe = recipe

    def begin(self) -> bytes:
        """Open the pair; answers Ready or Failed."""
        try:
            self._open  # noqa: B018  (opens)
        except BacoError as error:
            hint = "every machine needs the same installation, and bundles at the same places"
            return packed(Failed(f"worker on {_machine()}: {str(error).rstrip('.')}; {hint}.", _ours(error)))
        return packed(Ready(_machine()))

    def write(self, order: bytes) -> Iterator[bytes]:
        """Answer Written for each text that lacks, or Failed at last. At first every prompt is looked at."""
        try:
            self._open.check()
            for text, seconds in self._open.texts(unpacked(order, Order)):
                yield packed(Written(text, seconds))
        except BacoError as error:  # says which setting and prompt
            yield packed(Failed(str(error), _ours(error)))

    @cached_property
    def _open(self) -> _Open:
        return _Open.of(unpacked(self._recipe, Recipe))


@dataclass(frozen=True)
class _Open:
    config: SweepConfig
    recipe: Recipe
    cells: dict[tuple[str, str], Cell]
    opened: Pipeline

    @classmethod
    def of(cls, recipe: Recipe) -> _Open:
        """Open the pair; BacoError where something differs from what the driver has."""
        plugins = load_plugins(recipe.plugins, where=f"{recipe.origin}: plugins")
        config = sweep_from_data(parse_yaml(recipe.config, recipe.origin), recipe.origin)
        check_machine(recipe.manifest, config, plugins)
        config = _shared_out(config, plugins, recipe.beside)
        cells = cells_of(config, plugins)
        work = Work(config, plugins, recipe.prompts, cells, recipe.manifest, {}, _silent)
        return cls(config, recipe, {cell.setting.key: cell for cell in cells}, work.opened())

    def check(self) -> None:
        """Raise BacoError, the first time, for any text of the sweep that cannot be asked for."""
        self._checked  # noqa: B018  (checks)

    @cached_property
    def _checked(self) -> bool:
        check_asked(list(self.cells.values()), self.opened, self.recipe.prompts, self.config.n)
        return True

    def texts(self, order: Order) -> Iterator[tuple[Generation, float]]:
        """Yield the texts of an order as they are finished."""
        there: dict[Key, Generation] = {text.key: text for text in order.there}
        wanted = set(order.prompts)
        prompts = [prompt for prompt in self.recipe.prompts if prompt.id in wanted]
        cell = with_share(self.cells[order.method, order.setting], order.share)
        today = self.recipe.manifest.today
        for text, seconds in texts_of(Chunk(cell, prompts, 0), self.opened, self.config, today, there):
            there[text.key] = text
            yield text, seconds


def _shared_out(config: SweepConfig, plugins: Plugins, beside: int) -> SweepConfig:
    """Return the sweep with a share of the cores, unless threads were asked for; texts don't depend on it."""
    options = config.backend.options
    known = THREADS in plugins.backends.options(config.backend.use)
    if beside == 1 or not known or options.get(THREADS):
        return config
    share = {THREADS: max(1, available_cores() // beside)}
    backend = Part(config.backend.use, {**options, **share}, config.backend.origin)
    return dataclasses.replace(config, backend=backend)


def _machine() -> str:
    return platform.node() or "an unnamed machine"


def _ours(error: BacoError) -> bool:
    return error.exit_code != ConfigError.exit_code


def _silent(line: str) -> None:
    """Workers tell by their answers alone."""
