"""A pair of models, opened and ready to follow a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from baco_core.errors import ContextError
from baco_core.exchange import Retokenised, SharedTokens, Transcript
from baco_core.lane import Lane, Prefix
from baco_core.model import Model, TokenSequence
from baco_core.pick import log_softmax_at
from baco_core.prefixes import PrefixCache
from baco_core.rows import Rows
from baco_core.source import Source
from baco_core.tokenizer import Tokenizer
from baco_core.vocabulary import Vocabulary

Exchange = Literal["tokens", "text"]


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a pair with what turns text into its tokens."""

    model: Model
    tokenizer: Tokenizer
    chat_template: str | None = None
    special_tokens: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """Base and aligned; `exchange` says how they hear each other (DESIGN 3)."""

    members: Mapping[Source, Member]
    exchange: Exchange

    @property
    def vocabularies(self) -> dict[Source, Vocabulary]:
        """The vocabulary of each source."""
        return {source: member.tokenizer.vocabulary for source, member in self.members.items()}

    @property
    def models(self) -> list[Model]:
        """The models, each once: two views of one are one."""
        return list({id(member.model): member.model for member in self.members.values()}.values())

    def prefixes(
        self, contexts: Mapping[Source, Sequence[int]], max_new_tokens: int, cache: PrefixCache
    ) -> dict[Source, Prefix]:
        """Return each source's context, not read yet; ContextError when one is too long."""
        return {
            source: cache.prefix(member.model, contexts[source], max_new_tokens, source)
            for source, member in self.members.items()
        }

    def room(self, contexts: Mapping[Source, Sequence[int]]) -> float:
        """Return how many tokens both models can take after their contexts; ContextError for none."""
        return min(_room(member.model, contexts[source], source) for source, member in self.members.items())

    def lanes(self, prefixes: Mapping[Source, Prefix], lead: bytes = b"") -> dict[Source, Lane]:
        """Return fresh lanes that follow one text after these contexts.

        `lead` is what the base context left to the first word (prompts.base_lead).
        """
        return {source: Lane(prefix, self._transcript(source, lead)) for source, prefix in prefixes.items()}

    def _transcript(self, source: Source, lead: bytes) -> Transcript:
        tokenizer = self.members[source].tokenizer
        own_lead = lead if source is Source.BASE else b""
        if self.exchange == "tokens":
            return SharedTokens(tokenizer.hear, own_lead, tokenizer.vocabulary.pieces)
        return Retokenised(tokenizer.hear, own_lead)

    def consult(self, source: Source, question: Sequence[int], answers: Sequence[str]) -> list[float]:
        """Return ln P(answer | question) of each answer, in nats, read in a sequence of its own."""
        member = self.members[source]
        asked = member.model.open()
        first = asked.prefill(question)
        tokens = [member.tokenizer.encode_text(answer.encode()) for answer in answers]
        return [_log_probability(asked.fork(1)[0], first, answer) for answer in tokens]


def _room(model: Model, context: Sequence[int], name: str) -> float:
    limit = model.context_limit
    if limit is None:
        return math.inf
    if len(context) >= limit:
        raise ContextError(
            f"{name} model: {len(context)} prompt tokens leave no room in its context of {limit}; shorten "
            "the prompt."
        )
    return limit - len(context)


def _log_probability(asked: TokenSequence, first: Rows, tokens: Sequence[int]) -> float:
    """Return the sum of ln p over `tokens`, the first of which is judged by the row `first`."""
    rows = [*first, *asked.extend(tokens[:-1], rows=len(tokens) - 1)] if len(tokens) > 1 else first
    return sum(float(log_softmax_at(row, [token])[0]) for row, token in zip(rows, tokens, strict=True))
