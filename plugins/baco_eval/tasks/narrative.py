"""Narrative-Discourse: stories that are to follow a given arc."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from baco_core.errors import ConfigError, did_you_mean
from baco_core.options import check_ranges, show
from baco_eval.records import Prompt
from baco_eval.tasks.rows import Row, collect, decode_json, read_bytes, read_rows
from baco_eval.tasks.task import Limit

ARCS: Mapping[str, str] = {
    "Rags to Riches": "things get better for the hero from beginning to end",
    "Riches to Rags": "things get worse for the hero from beginning to end",
    "Man in Hole": "the hero falls into trouble and gets out of it again",
    "Double Man in Hole": "the hero falls into trouble and gets out of it, and then once more",
    "Cinderella": "the hero rises, then falls, then rises again",
    "Oedipus": "the hero falls, then rises, then falls again",
    "Icarus": "the hero rises, then falls",
}
"""The seven arcs of the data, in our words."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class NarrativeDiscourse:
    """Narrative-Discourse (Tian et al. 2024, arXiv 2407.13248; Apache-2.0): story ids with one of 7 arcs.

    With `stories` each labelled story gives a prompt: its arc and its opening, to be continued. Without
    them labels are all there is, and each arc gives one prompt. How the paper made prompts of the data is
    not known; this is our way.
    """

    path: Annotated[
        str, msgspec.Meta(min_length=1, description="ground_truth_arc.json: an object of story id to arc.")
    ]
    stories: Annotated[
        str | None, msgspec.Meta(description="A file of rows with 'id' and 'text' (.jsonl, .parquet).")
    ] = None
    sentences: Annotated[int, msgspec.Meta(ge=1, description="Sentences of the opening.")] = 2
    words: Annotated[int, msgspec.Meta(ge=1, description="How long a story the prompt asks for.")] = 300
    limit: Limit = None

    def __post_init__(self) -> None:
        check_ranges(self)

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompts: of the stories in the order of their file, else of the arcs."""
        arcs = _read_arcs(Path(self.path).expanduser())
        if self.stories is not None:
            found = self._continued(arcs, Path(self.stories).expanduser())
            lack = f"no story in it has an id that {self.path} gives an arc"
            return collect(found, self.limit, self.stories, lack)
        there = set(arcs.values())
        return tuple(Prompt(arc, self._request(arc), arc) for arc in ARCS if arc in there)[: self.limit]

    def _continued(self, arcs: Mapping[str, str], path: Path) -> Iterator[tuple[Row, Prompt]]:
        for row in read_rows(path):
            name = row.name("id") or row.text("id")
            opening = " ".join(_SENTENCE_END.split(row.text("text").strip())[: self.sentences])
            if name in arcs:
                text = f"{self._request(arcs[name])} It begins like this:\n\n{opening}"
                yield row, Prompt(name, text, arcs[name])

    def _request(self, arc: str) -> str:
        return f"Write a story of about {self.words} words in which {ARCS[arc]}."


def _read_arcs(path: Path) -> dict[str, str]:
    data: Any = decode_json(read_bytes(path), str(path))
    if not isinstance(data, dict) or not data:
        raise ConfigError(f"{path}: expected an object of story id to arc, got {show(data)}.")
    for name, arc in data.items():
        if not isinstance(arc, str) or arc not in ARCS:
            raise ConfigError(
                f"{path}: story {name!r} has the arc {show(arc)}.{did_you_mean(str(arc), ARCS)}"
            )
    return data
