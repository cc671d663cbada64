"""What a sweep's driver and its workers say to each other: plain data as JSON, no object of ours."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from baco_core.config_yaml import to_yaml
from baco_core.errors import ConfigError
from baco_eval.records import Generation, Prompt
from baco_eval.sweep.config import sweep_data
from baco_eval.sweep.manifest import Manifest
from baco_eval.sweep.matching import share_of
from baco_eval.sweep.work import Chunk, Work

T = TypeVar("T")


class Recipe(msgspec.Struct, frozen=True):
    """All that a worker must know before it opens the pair. `config` is YAML without relative paths."""

    config: str
    origin: str
    plugins: list[str]
    prompts: list[Prompt]
    manifest: Manifest
    beside: int = 1
    """How many workers share a machine."""


class Order(msgspec.Struct, frozen=True):
    """A chunk to write: a setting (and for a control its base share), prompts, and what is there of it."""

    method: str
    setting: str
    prompts: list[str]
    there: list[Generation]
    share: float | None = None


class Written(msgspec.Struct, frozen=True, tag=True):
    """A finished text, and its seconds."""

    text: Generation
    seconds: float


class Ready(msgspec.Struct, frozen=True, tag=True):
    """A worker on this machine has opened the pair."""

    machine: str


class Failed(msgspec.Struct, frozen=True, tag=True):
    """What a worker's BacoError said; `ours` when it is no user's mistake."""

    message: str
    ours: bool = False


Told = Written | Ready | Failed


def packed(item: Any) -> bytes:
    """Return plain data as JSON."""
    return msgspec.json.encode(item)


def unpacked(data: bytes, kind: type[T]) -> T:
    """Return what `packed` was given."""
    return msgspec.json.decode(data, type=kind)


def told(data: bytes) -> Told:
    """Return what a worker says."""
    answer: Told = msgspec.json.decode(data, type=Told)
    return answer


def recipe_of(work: Work) -> Recipe:
    """Return what workers need to do a part of the work.

    Raises ConfigError naming a plugin that was handed in as an object: only installed ones can be loaded
    elsewhere.
    """
    loaded = work.plugins.loaded
    if objects := [owner.plugin for owner in loaded if not owner.entry_point]:
        raise ConfigError(
            f"plugins: {objects[0]!r} is an object of this process, which no other can load; install it as a "
            "package, or use --executor local."
        )
    return Recipe(
        to_yaml(sweep_data(work.config.placed())),
        work.config.origin,
        [owner.plugin for owner in loaded],
        list(work.prompts),
        work.manifest,
    )


def order_of(chunk: Chunk, work: Work) -> Order:
    """Return a chunk as it is sent; all texts that a control matches must be there."""
    there = [work.there[key] for key in chunk.keys(work.config.n) if key in work.there]
    return Order(
        *chunk.cell.setting.key,
        [prompt.id for prompt in chunk.prompts],
        there,
        share_of(chunk.cell.setting, work.there),
    )
