"""What the texts of a setting are asked with, and which of them must wait for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from baco_core.errors import BacoError
from baco_core.pipeline import Pipeline
from baco_core.prompts import Message
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


def check_asked(cells: Sequence[Cell], pipeline: Pipeline, prompts: Sequence[Prompt], n: int) -> None:
    """Raise BacoError for a text that cannot be asked for, or whose prompt does not fit into a context.

    Of methods that show earlier texts the first one is looked at: later ones leave out what does not fit.
    """
    read: set[tuple[Message, ...]] = set()
    for cell in cells:
        for prompt in prompts:
            for index in range(1 if shows_earlier(cell.method) else n):
                with _named(cell, prompt):
                    messages = tuple(cell.method.messages(prompt, index, ()))
                    if messages not in read:
                        pipeline.read(messages)
                    read.add(messages)


def _job(cell: Cell, pipeline: Pipeline, prompt: Prompt, index: int, there: Mapping[Key, Generation]) -> Job:
    earlier: list[str] = []
    if shows_earlier(cell.method):
        earlier = [there[*cell.setting.key, prompt.id, before].text for before in range(index)]
    with _named(cell, prompt):
        messages = asked(cell.method, pipeline, prompt, index, earlier)
    return Job(cell.setting, prompt.id, index, messages)


@contextmanager
def _named(cell: Cell, prompt: Prompt) -> Iterator[None]:
    """Let an error begin with setting and prompt."""
    try:
        yield
    except BacoError as error:
        setting = f"{cell.setting.method} {cell.setting.id}"
        raise type(error)(f"{setting}, prompt {prompt.id!r}: {error}") from error
