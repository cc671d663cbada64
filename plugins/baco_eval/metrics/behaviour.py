"""What a method does, beside how diverse and how good its texts are: length, sources, endings, faults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar, Literal

import msgspec

from baco_eval.metrics.faults import faults
from baco_eval.metrics.metric import Direction, Group, Measured, NotMeasured, generations_of, texts_of
from baco_eval.metrics.words import ngrams, words
from baco_eval.records import Generation, Prompt


class Behaviour(ABC):
    """What these metrics share. Most describe, and neither more nor less is better."""

    __slots__ = ()
    direction: ClassVar[Direction] = 0
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    formula: ClassVar[str]
    source: ClassVar[str]
    group: ClassVar[Group] = "other"
    needs: ClassVar[str | None] = None

    @abstractmethod
    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the value; NotMeasured where there is none."""


@dataclass(frozen=True, slots=True)
class Length(Behaviour):
    """Mean length of a text, in words or in tokens (of the aligned model's vocabulary, or the base's)."""

    unit: Annotated[Literal["words", "tokens"], msgspec.Meta(description="What is counted.")] = "words"

    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    formula: ClassVar[str] = "mean over the k texts of the number of words or tokens"
    source: ClassVar[str] = "a check: length moves most other metrics, arXiv 2507.15092"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the mean length; an empty text has 0. NotMeasured without texts, or tokens of bare ones."""
        if self.unit == "tokens":
            return fmean(generation.tokens for generation in generations_of(texts))
        if not texts:
            raise NotMeasured("there is no text.")
        return fmean(len(words(text)) for text in texts_of(texts))


@dataclass(frozen=True, slots=True)
class BaseShare(Behaviour):
    """Base share: tokens of the base model over all tokens. The one number that compares routers."""

    formula: ClassVar[str] = "base tokens / tokens, pooled over the k texts"
    source: ClassVar[str] = "Wang et al. 2026, arXiv 2511.05650 (our definition)"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the share; NotMeasured for bare texts and where no text has a token."""
        generations = generations_of(texts)
        return sum(generation.base_tokens for generation in generations) / _tokens(generations)


@dataclass(frozen=True, slots=True)
class Switches(Behaviour):
    """How often the source changes in 100 tokens."""

    range: ClassVar[tuple[float, float]] = (0.0, 100.0)
    formula: ClassVar[str] = "100 * changes of source / tokens, pooled over the k texts"
    source: ClassVar[str] = "Wang et al. 2026, arXiv 2511.05650 (our definition)"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return switches per 100 tokens; NotMeasured for bare texts, no tokens, or unknown pieces."""
        generations = generations_of(texts)
        for generation in generations:
            if 0 < generation.base_tokens < generation.tokens and len(generation.pieces) < 2:
                raise NotMeasured(f"text {generation.index} does not say where its source changes.")
        return 100 * sum(generation.switches for generation in generations) / _tokens(generations)


@dataclass(frozen=True, slots=True)
class Ended(Behaviour):
    """Share of texts that ended by themselves: an end token or a stop text, not the limit of length."""

    formula: ClassVar[str] = "texts with finish_reason 'stop' / k"
    source: ClassVar[str] = "a check of the limit of length"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the share; NotMeasured for bare texts."""
        return fmean(generation.finish_reason == "stop" for generation in generations_of(texts))


@dataclass(frozen=True, slots=True)
class Repetition(Behaviour):
    """How much of a text repeats itself: the share of its n-grams of words that came before in it."""

    n: Annotated[int, msgspec.Meta(ge=1, le=20, description="Words in an n-gram.")] = 4

    direction: ClassVar[Direction] = -1
    formula: ClassVar[str] = "mean over texts of 1 - different n-grams / n-grams, within each text"
    source: ClassVar[str] = "Welleck et al. 2020 (seq-rep-n), arXiv 1908.04319"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the mean share over texts of n words or more; NotMeasured where there is none."""
        found = [list(ngrams(words(text), self.n)) for text in texts_of(texts)]
        shares = [1 - len(set(each)) / len(each) for each in found if each]
        if not shares:
            raise NotMeasured(f"no text has {self.n} word{'s' if self.n > 1 else ''}.")
        return fmean(shares)


@dataclass(frozen=True, slots=True)
class Format(Behaviour):
    """Share of texts without a fault of form (`faults.FAULTS`)."""

    direction: ClassVar[Direction] = 1
    formula: ClassVar[str] = "texts without a fault / k"
    source: ClassVar[str] = "our own check; the list is baco_eval.metrics.faults.FAULTS"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the share; an empty text is a fault. NotMeasured without texts."""
        if not texts:
            raise NotMeasured("there is no text.")
        return fmean(not faults(text) for text in texts_of(texts))


def _tokens(generations: list[Generation]) -> int:
    total = sum(generation.tokens for generation in generations)
    if not total:
        raise NotMeasured("no text has a token.")
    return total
