"""What the texts of a setting are asked with, and which of them must wait for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from baco_core.errors import BacoError
from baco_core.pipeline import Pipeline
from baco_eval.methods.method import asked, shows_earlier
from baco_eval.records import Generation, Prompt
from baco_eval.sweep.grid import Cell
from baco_eval.sweep.store import Key
from baco_eval.sweep.texts import Job


def rounds(
    cell: Cell, pipeline: Pipeline, prompts: Sequence[Prompt], n: int, there: Mapping[Key, Generation]
) -> Iterator[Iterator[Job]]:
    """Yield groups of texts that are not there yet; the texts of a group may be written together.

    `there` must grow as texts are finished: a method that shows earlier texts has a group an index.
    """
    texts = [(prompt, index) for prompt in prompts for index in range(n)]
    groups = [texts]
    if shows_earlier(cell.method):
        groups = [[(prompt, index) for prompt in prompts] for index in range(n)]
    for group in groups:
        yield (
            _job(cell, pipeline, prompt, index, there)
            for prompt, index in group
            if (*cell.setting.key, prompt.id, index) not in there
        )


def _job(cell: Cell, pipeline: Pipeline, prompt: Prompt, index: int, there: Mapping[Key, Generation]) -> Job:
    earlier: list[str] = []
    if shows_earlier(cell.method):
        earlier = [there[*cell.setting.key, prompt.id, before].text for before in range(index)]
    try:
        messages = asked(cell.method, pipeline, prompt, index, earlier)
    except BacoError as error:
        raise type(error)(
            f"{cell.setting.method} {cell.setting.id}, prompt {prompt.id!r}: {error}"
        ) from error
    return Job(cell.setting, prompt.id, index, messages)
