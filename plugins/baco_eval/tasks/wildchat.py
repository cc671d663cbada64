"""WildChat: what people asked a chatbot first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import msgspec

from baco_core.options import check_ranges, show
from baco_eval.records import Prompt
from baco_eval.tasks import hub
from baco_eval.tasks.rows import Row, collect, read_rows
from baco_eval.tasks.task import Limit

DATASET = "allenai/WildChat-1M"


@dataclass(frozen=True, slots=True)
class WildChat:
    """First user turns of WildChat-1M (Zhao et al. 2024, arXiv 2405.01470; ODC-BY).

    NoveltyBench's rules, with words for tokens: English, not redacted, 5 to 200 tokens (its longest has
    156 words), each prompt once; toxic conversations are left out besides. Nothing asks a model whether
    a prompt has many good answers, as NoveltyBench did after that. How the paper chose is not known.
    """

    path: Annotated[
        str | None, msgspec.Meta(description="A file of rows (.jsonl, .parquet); left out, the hub's.")
    ] = None
    language: Annotated[str, msgspec.Meta(description="The rows' language.")] = "English"
    min_words: Annotated[int, msgspec.Meta(ge=1, description="The fewest words of a prompt.")] = 4
    max_words: Annotated[int, msgspec.Meta(ge=1, description="The most words of a prompt.")] = 150
    toxic: Annotated[bool, msgspec.Meta(description="Take conversations that are marked as toxic too.")] = (
        False
    )
    revision: Annotated[str | None, msgspec.Meta(description="Branch, tag or commit on the hub.")] = None
    limit: Limit = 200

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompts in the order of the rows; files of the hub are fetched as far as needed."""
        files = [Path(self.path).expanduser()] if self.path else hub.fetch(DATASET, "train", self.revision)
        rows = chain.from_iterable(map(read_rows, files))
        lack = (
            f"no row passes: language {self.language}, {self.min_words} to {self.max_words} words, "
            f"not redacted{'' if self.toxic else ', not toxic'}"
        )
        return collect(self._chosen(rows), self.limit, self.path or DATASET, lack)

    def _chosen(self, rows: Iterator[Row]) -> Iterator[tuple[Row, Prompt]]:
        seen: set[str] = set()
        for row in rows:
            text = _first_turn(row).strip()
            name = row.text("conversation_hash")
            if self._wanted(row, text) and text not in seen and name not in seen:
                seen |= {text, name}
                yield row, Prompt(f"WildChat-{name}", text)

    def _wanted(self, row: Row, text: str) -> bool:
        unfit = bool(row.data.get("redacted")) or (bool(row.data.get("toxic")) and not self.toxic)
        return (
            row.text("language") == self.language
            and not unfit
            and self.min_words <= len(text.split()) <= self.max_words
        )


def _first_turn(row: Row) -> str:
    """Return the first turn's text, which may be empty."""
    turns = row.data.get("conversation")
    first = turns[0] if isinstance(turns, list) and turns else None
    if not isinstance(first, dict) or not isinstance(first.get("content"), str):
        raise row.error(f"field 'conversation' must be a list of turns with 'content', not {show(turns)}.")
    return str(first["content"])
