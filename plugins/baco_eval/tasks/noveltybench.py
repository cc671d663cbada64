"""NoveltyBench: prompts that many good answers exist to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from baco_core.errors import ConfigError, did_you_mean
from baco_core.options import check_ranges
from baco_eval.records import Prompt
from baco_eval.tasks import hub
from baco_eval.tasks.rows import Row, collect, read_rows
from baco_eval.tasks.task import Limit

DATASET = "yimingzhang/novelty-bench"
FILES = {"curated": "curated.jsonl", "wildchat": "wildchat-1k.jsonl"}


@dataclass(frozen=True, slots=True)
class NoveltyBench:
    """NoveltyBench (Zhang et al. 2025, arXiv 2504.05228; MIT, WildChat prompts ODC-BY).

    `curated` are 100 prompts of six categories, each with ten paraphrases; `wildchat` are 1,000 first user
    turns, filtered by its authors.
    """

    split: Annotated[Literal["curated", "wildchat"], msgspec.Meta(description="Which part of it.")] = (
        "curated"
    )
    path: Annotated[
        str | None,
        msgspec.Meta(description="The file, or the folder 'data' of its repository; left out, the hub's."),
    ] = None
    categories: Annotated[
        tuple[str, ...], msgspec.Meta(description="Only prompts of these categories; left out, all.")
    ] = ()
    revision: Annotated[str | None, msgspec.Meta(description="Branch, tag or commit on the hub.")] = None
    limit: Limit = None

    def __post_init__(self) -> None:
        check_ranges(self)

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompts in the order of the file."""
        files = self._files()
        rows = chain.from_iterable(map(read_rows, files))
        source = self.path or DATASET
        if not self.categories:
            return collect(map(_prompt, rows), self.limit, source)
        found = collect(map(_prompt, rows), None, source)
        self._check_categories({prompt.category for prompt in found}, source)
        return tuple(prompt for prompt in found if prompt.category in self.categories)[: self.limit]

    def _files(self) -> Iterator[Path]:
        if self.path is None:
            return hub.fetch(DATASET, self.split, self.revision)
        path = Path(self.path).expanduser()
        return iter([path / FILES[self.split] if path.is_dir() else path])

    def _check_categories(self, there: set[str], source: str) -> None:
        for category in self.categories:
            if category not in there:
                raise ConfigError(f"{source}: no category {category!r}.{did_you_mean(category, there)}")


def _prompt(row: Row) -> tuple[Row, Prompt]:
    return row, Prompt(
        row.text("id"), row.text("prompt"), row.name("category") or "", row.texts("prompt_paraphrases")
    )
