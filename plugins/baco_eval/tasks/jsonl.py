"""Prompts of any JSONL file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from baco_core.options import check_ranges
from baco_eval.records import Prompt
from baco_eval.tasks.rows import Row, collect, read_rows
from baco_eval.tasks.task import Limit


@dataclass(frozen=True, slots=True)
class Jsonl:
    """One object a line, one prompt an object. A row without an id is called by its line: `line-7`."""

    path: Annotated[str, msgspec.Meta(min_length=1, description="The file (.jsonl or .parquet).")]
    prompt_field: Annotated[str, msgspec.Meta(description="Field of the prompt.")] = "prompt"
    id_field: Annotated[str, msgspec.Meta(description="Field of the id, if there is one.")] = "id"
    category_field: Annotated[str, msgspec.Meta(description="Field of the category, if there is one.")] = (
        "category"
    )
    paraphrases_field: Annotated[
        str, msgspec.Meta(description="Field of the paraphrases, a list of texts, if there is one.")
    ] = "paraphrases"
    limit: Limit = None

    def __post_init__(self) -> None:
        check_ranges(self)

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompts in the order of the file."""
        path = Path(self.path).expanduser()
        return collect(self._read(path), self.limit, str(path))

    def _read(self, path: Path) -> Iterator[tuple[Row, Prompt]]:
        for row in read_rows(path):
            yield (
                row,
                Prompt(
                    row.name(self.id_field) or f"line-{row.number}",
                    row.text(self.prompt_field),
                    row.name(self.category_field) or "",
                    row.texts(self.paraphrases_field),
                ),
            )
