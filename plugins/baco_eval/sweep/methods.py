"""What each text of a setting is asked with, and which texts must wait for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from baco_core.prompts import Message
from baco_eval.records import Generation, Prompt
from baco_eval.sweep.grid import Cell
from baco_eval.sweep.store import Key
from baco_eval.sweep.texts import Job


def rounds(
    cell: Cell, prompts: Sequence[Prompt], n: int, there: Mapping[Key, Generation]
) -> Iterator[Iterator[Job]]:
    """Yield groups of texts that are not there yet; texts of one group may be written in any order.

    `there` must grow as texts are finished: a method that shows earlier texts is asked group by group.
    """
    yield (
        Job(cell.setting, prompt.id, index, [Message("user", prompt.text)])
        for prompt in prompts
        for index in range(n)
        if (*cell.setting.key, prompt.id, index) not in there
    )
