"""Measuring as a plugin of BACo. Nothing heavy is imported before it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from baco_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from baco_eval.tasks.task import Task


@hookimpl
def register_tasks(register: Callable[[str, Callable[..., Task]], None]) -> None:
    """Name where prompts come from."""
    from baco_eval.tasks.creative import Creative
    from baco_eval.tasks.jsonl import Jsonl
    from baco_eval.tasks.narrative import NarrativeDiscourse
    from baco_eval.tasks.noveltybench import NoveltyBench
    from baco_eval.tasks.wildchat import WildChat

    register("creative", Creative)
    register("jsonl", Jsonl)
    register("noveltybench", NoveltyBench)
    register("wildchat", WildChat)
    register("narrative-discourse", NarrativeDiscourse)
