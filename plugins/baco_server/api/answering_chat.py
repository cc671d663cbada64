"""The answers of /v1/chat/completions."""

from __future__ import annotations

from collections.abc import Iterator

from baco_core.events import Sample, TokenEvent
from baco_server.api.answering import Answering, outcome
from baco_server.api.question import Json
from baco_server.api.tokens import likeliest


class ChatAnswering(Answering):
    """Texts as messages of an assistant."""

    whole_kind = "chat.completion"
    chunk_kind = "chat.completion.chunk"

    def choice(self, index: int, sample: Sample) -> Json:
        """Return a finished text as a message."""
        message = {"role": "assistant", "content": sample.text, "refusal": None}
        logprobs = self._logprobs(sample.tokens)
        return {"index": index, "message": message, "logprobs": logprobs, **outcome(sample)}

    def opening(self, index: int) -> Iterator[Json]:
        """Yield the chunk that says who speaks."""
        yield self._delta(index, {"role": "assistant", "content": ""})

    def token(self, index: int, told: TokenEvent) -> Json:
        """Return what a token adds, and whose it is."""
        baco: Json = {"source": told.source.value, "token_id": told.token_id}
        if self.question.trace:
            baco |= self.question.names.trace(told)
        choice = self._delta(index, {"content": told.text, "baco": baco})
        return {**choice, "logprobs": self._logprobs([told])}

    def remainder(self, index: int, text: str) -> Json:
        """Return text that no token brought."""
        return self._delta(index, {"content": text})

    def closing(self, index: int, sample: Sample) -> Json:
        """Return why the text ended."""
        return {**self._delta(index, {}), "finish_reason": sample.finish_reason}

    @staticmethod
    def _delta(index: int, delta: Json) -> Json:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}

    def _logprobs(self, tokens: tuple[TokenEvent, ...] | list[TokenEvent]) -> Json | None:
        if self.question.likely is None:
            return None
        return {"content": [self._entry(token) for token in tokens], "refusal": None}

    def _entry(self, told: TokenEvent) -> Json:
        names, likely = self.question.names, self.question.likely or 0
        entry = names.entry(told.source, told.token_id, told.logprob, names.piece(told, 0))
        entry["top_logprobs"] = names.likely(told.source, likeliest(told, likely))
        entry["source"] = told.source.value
        return {**entry, "baco": names.trace(told)} if self.question.trace else entry
