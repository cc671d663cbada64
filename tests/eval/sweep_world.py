"""A small sweep over the tiny pair: a task of five prompts, and a program that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baco_core.hookspecs import hookimpl
from baco_core.plugins import Plugins, load_plugins
from baco_eval.records import Prompt
from baco_eval.sweep.config import sweep_from_data
from baco_eval.sweep.run import Sweep

HEROES = ("fox", "lighthouse", "boat", "king", "tree")


@dataclass(frozen=True)
class Little:
    """A task of a few prompts."""

    count: int = 5

    def prompts(self) -> Sequence[Prompt]:
        return [Prompt(hero, f"Tell me a story about a {hero}.") for hero in HEROES[: self.count]]


@dataclass(frozen=True)
class Twins:
    """A task with an id that is there twice."""

    def prompts(self) -> Sequence[Prompt]:
        return [Prompt("a", "one"), Prompt("a", "two")]


class LittlePlugin:
    """Registers the tasks."""

    @hookimpl
    def register_tasks(self, register: Callable[[str, object], None]) -> None:
        register("little", Little)
        register("twins", Twins)


def little_plugins() -> Plugins:
    return load_plugins(given={"little": LittlePlugin()})


def sweep_data(**changes: Any) -> dict[str, Any]:
    """Return a config of 2 settings x 2 prompts x 2 texts."""
    data = {
        "task": {"use": "little", "options": {"count": 2}},
        "n": 2,
        "decode": {"max_new_tokens": 4, "batch": 2, "schedule": "plain"},
        "backend": {"use": "onnxruntime", "options": {"intra_op_threads": 1}},
        "methods": [{"router": {"use": "p", "options": {"gamma": [0.2, 0.6]}}}],
    }
    return {**data, **changes}


def made_sweep(**changes: Any) -> Sweep:
    return Sweep.from_config(sweep_from_data(sweep_data(**changes), "sweep.yaml"), little_plugins())


def lines_of(folder: Path) -> list[bytes]:
    """Return the sorted lines of a sweep's texts."""
    return sorted((folder / "generations.jsonl").read_bytes().splitlines(keepends=True))
