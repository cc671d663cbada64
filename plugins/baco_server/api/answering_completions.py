"""The answers of /v1/completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from baco_core.events import Sample, TokenEvent
from baco_core.source import Source
from baco_server.api.answering import Answering, outcome
from baco_server.api.question import Json, Question
from baco_server.api.tokens import Offsets, finite, likeliest
from baco_server.desk import PromptScores


@dataclass(slots=True)
class Row:
    """One token of a list of logprobs."""

    name: str
    piece: bytes
    logprob: float | None
    top: dict[str, float] | None
    source: str | None
    """Who wrote it; None for a token of the prompt."""
    baco: Json | None = None


class CompletionAnswering(Answering):
    """Texts as they go on from a prompt."""

    whole_kind = "text_completion"
    chunk_kind = "text_completion"

    def __init__(self, question: Question, echoes: Sequence[str] | None, *, write: bool) -> None:
        """Answer with texts; `echoes` are the prompts where texts begin with them."""
        super().__init__(question)
        self._echoes = echoes
        self._write = write
        self._offsets: dict[int, Offsets] = {}

    @property
    def written(self) -> bool:
        """Whether more than the prompt is asked for."""
        return self._write

    def choice(self, index: int, sample: Sample) -> Json:
        """Return a finished text."""
        rows = [*self._prompt_rows(index), *(self._row(index, token) for token in sample.tokens)]
        text = self._echo(index) + sample.text
        logprobs = self._logprobs(rows, Offsets())
        return {"index": index, "text": text, "logprobs": logprobs, **outcome(sample)}

    def bare(self) -> list[Json]:
        """Return the prompts themselves as choices, where nothing was to be written."""
        if self._write:
            return []
        return [self._bare(index) for index in range(len(self._echoes or ()) * self.question.n)]

    def _bare(self, index: int) -> Json:
        rows = self._prompt_rows(index)
        logprobs = self._logprobs(rows, Offsets())
        choice = {"index": index, "text": self._echo(index), "logprobs": logprobs}
        return {**choice, "finish_reason": "length", "baco": None}

    def opening(self, index: int) -> Iterator[Json]:
        """Yield the prompt where it is asked for."""
        if self._echoes is not None:
            yield self._part(index, self._echo(index), self._prompt_rows(index))

    def token(self, index: int, told: TokenEvent) -> Json:
        """Return what a token adds."""
        source: Json = {"source": told.source.value, "token_id": told.token_id}
        if self.question.trace:
            source |= self.question.names.trace(told)
        return {**self._part(index, told.text, [self._row(index, told)]), "baco": source}

    def remainder(self, index: int, text: str) -> Json:
        """Return text that no token brought."""
        return self._part(index, text, [])

    def closing(self, index: int, sample: Sample) -> Json:
        """Return why the text ended."""
        return {"index": index, "text": "", "logprobs": None, "finish_reason": sample.finish_reason}

    def _part(self, index: int, text: str, rows: list[Row]) -> Json:
        logprobs = self._logprobs(rows, self._offsets.setdefault(index, Offsets()))
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": None}

    def _echo(self, index: int) -> str:
        return "" if self._echoes is None else self._echoes[index // self.question.n]

    def _prompt_rows(self, index: int) -> list[Row]:
        scores = self.scores.get(index // self.question.n)
        return [] if scores is None or self._echoes is None else self._scored(scores)

    def _scored(self, scores: PromptScores) -> list[Row]:
        return [self._prompt_row(scores, place) for place in range(len(scores.token_ids))]

    def _prompt_row(self, scores: PromptScores, place: int) -> Row:
        names, logprob = self.question.names, scores.logprobs[place]
        token_id = scores.token_ids[place]
        top = scores.top[place] if place < len(scores.top) else ()
        likely = None if logprob is None else self._top(Source.ALIGNED, top)
        name = names.name(Source.ALIGNED, token_id)
        return Row(name, names.prompt_piece(token_id), logprob, likely, None)

    def _row(self, index: int, told: TokenEvent) -> Row:
        names, likely = self.question.names, self.question.likely or 0
        piece = names.piece(told, index // self.question.n)
        top = self._top(told.source, likeliest(told, likely))
        baco = names.trace(told) if self.question.trace else None
        name = names.name(told.source, told.token_id, piece)
        return Row(name, piece, told.logprob, top, told.source.value, baco)

    def _top(self, source: Source, top: Sequence[tuple[int, float]]) -> dict[str, float]:
        names = self.question.names
        return {names.name(source, token_id): finite(logprob) for token_id, logprob in top}

    def _logprobs(self, rows: list[Row], offsets: Offsets) -> Json | None:
        if self.question.likely is None:
            return None
        found: Json = {
            "tokens": [row.name for row in rows],
            "token_logprobs": [None if row.logprob is None else finite(row.logprob) for row in rows],
            "top_logprobs": [row.top for row in rows] if self.question.likely else None,
            "text_offset": [offsets.place(row.piece) for row in rows],
            "sources": [row.source for row in rows],
        }
        return {**found, "baco": [row.baco for row in rows]} if any(row.baco for row in rows) else found
