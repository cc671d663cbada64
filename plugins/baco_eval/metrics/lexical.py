"""Lexical diversity: how much the wording of a prompt's texts differs. Larger is more diverse."""

from __future__ import annotations

import gzip
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec

from baco_eval.metrics.metric import Direction, Group, Measured, NotMeasured, Unavailable, some_texts
from baco_eval.metrics.rouge import rouge_l
from baco_eval.metrics.words import ngrams, truncate, words
from baco_eval.records import Prompt

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU


@dataclass(frozen=True, slots=True)
class Lexical(ABC):
    """What lexical metrics share: texts are cut to `words` words first (see `words.common_words`)."""

    words: Annotated[
        int, msgspec.Meta(ge=0, description="Cut every text to this many words first; 0 keeps all.")
    ] = 0

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    formula: ClassVar[str]
    source: ClassVar[str]
    group: ClassVar[Group] = "lexical"
    needs: ClassVar[str | None] = None
    least: ClassVar[int] = 1
    """How many texts it takes."""

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the diversity of the texts; NotMeasured for too few or none but empty texts."""
        cut = [truncate(text, self.words) for text in some_texts(texts, self.least)]
        return self.diversity(cut)

    @abstractmethod
    def diversity(self, texts: Sequence[str]) -> float:
        """Return the diversity of texts that are cut already."""


@dataclass(frozen=True, slots=True)
class Distinct1(Lexical):
    """Distinct-1: different words over all words."""

    n: ClassVar[int] = 1
    formula: ClassVar[str] = "different n-grams / n-grams, pooled over the k texts, n = 1"
    source: ClassVar[str] = "Li et al. 2016, arXiv 1510.03055"

    def diversity(self, texts: Sequence[str]) -> float:
        """Return distinct-n in (0, 1]; NotMeasured when no text has n words. N-grams stay within a text."""
        found = [ngram for text in texts for ngram in ngrams(words(text), self.n)]
        if not found:
            raise NotMeasured(f"no text has {self.n} word{'s' if self.n > 1 else ''}.")
        return len(set(found)) / len(found)


@dataclass(frozen=True, slots=True)
class Distinct2(Distinct1):
    """Distinct-2: different pairs of words over all pairs."""

    n: ClassVar[int] = 2
    formula: ClassVar[str] = "different n-grams / n-grams, pooled over the k texts, n = 2"


@dataclass(frozen=True, slots=True)
class Ead(Lexical):
    """EAD: different words over how many to expect of as many words drawn evenly from a vocabulary.

    Depends less on length than distinct-1. Above 1 where fewer words come back than by chance.
    """

    vocabulary: Annotated[
        int, msgspec.Meta(ge=2, description="Words there are to draw from; the same for all compared.")
    ] = 30_000

    range: ClassVar[tuple[float, float]] = (0.0, math.e / (math.e - 1))
    formula: ClassVar[str] = "N / (V (1 - ((V - 1) / V)^C)), N different words, C words, V vocabulary"
    source: ClassVar[str] = "Liu et al. 2022, arXiv 2202.13587"

    def diversity(self, texts: Sequence[str]) -> float:
        """Return EAD; NotMeasured without words, or with more different ones than `vocabulary`."""
        found = [word for text in texts for word in words(text)]
        if not found:
            raise NotMeasured("no text has 1 word.")
        different = len(set(found))
        if different > self.vocabulary:
            raise NotMeasured(f"{different} different words; set the option vocabulary to more.")
        return expectation_adjusted(different, len(found), self.vocabulary)


def expectation_adjusted(different: int, tokens: int, vocabulary: int) -> float:
    """Return N / (V (1 - ((V - 1) / V)^C)) for N different of C tokens from V; exact for large V."""
    return different / (-vocabulary * math.expm1(tokens * math.log1p(-1 / vocabulary)))


@dataclass(frozen=True, slots=True)
class SelfBleu(Lexical):
    """1 - Self-BLEU: BLEU-4 of each text against all others, averaged (sacrebleu, exponential smoothing).

    Texts of fewer than four tokens are judged by the n-grams they have. An empty text is like another
    empty one, and unlike any other.
    """

    tokenize: Annotated[
        Literal["13a", "intl", "zh", "char"],
        msgspec.Meta(
            description="How sacrebleu splits texts: 13a for English, zh for Chinese, char for any."
        ),
    ] = "13a"

    formula: ClassVar[str] = "1 - mean over i of BLEU(y_i; all y_j, j != i)"
    source: ClassVar[str] = "Zhu et al. 2018, arXiv 1802.01886; sacrebleu, arXiv 1804.08771"
    least: ClassVar[int] = 2

    def diversity(self, texts: Sequence[str]) -> float:
        """Return 1 - Self-BLEU in [0, 1]; NotMeasured where sacrebleu is not installed."""
        bleu = self._bleu()
        scores = [_bleu(bleu, text, [*texts[:i], *texts[i + 1 :]]) for i, text in enumerate(texts)]
        return 1 - fmean(scores)

    def _bleu(self) -> BLEU:
        try:
            from sacrebleu.metrics.bleu import BLEU
        except ImportError as error:
            raise Unavailable(
                f"it needs the package sacrebleu ({error}); pip install 'baco[eval]'."
            ) from error
        return BLEU(tokenize=self.tokenize, effective_order=True)


def _bleu(bleu: BLEU, text: str, others: list[str]) -> float:
    if not text.strip():
        return float(any(not other.strip() for other in others))
    # Equal texts have 100.00000000000004 there.
    return min(float(bleu.sentence_score(text, others).score) / 100, 1.0)


@dataclass(frozen=True, slots=True)
class Compression(Lexical):
    """1 / compression ratio: gzipped bytes over bytes of the texts, a line break between them.

    Above 1 for less than some 30 bytes, where the header of 18 bytes weighs more than what is saved.
    """

    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[str] = "bytes after gzip -9 / bytes before, of the k texts joined"
    source: ClassVar[str] = "Shaib et al. 2024, arXiv 2403.00553"

    def diversity(self, texts: Sequence[str]) -> float:
        """Return compressed bytes over bytes, above 0."""
        data = "\n".join(texts).encode()
        return len(gzip.compress(data, compresslevel=9, mtime=0)) / len(data)


@dataclass(frozen=True, slots=True)
class RougeL(Lexical):
    """1 - mean ROUGE-L F over the pairs of texts, by words in lower case."""

    formula: ClassVar[str] = "1 - mean over i < j of F(y_i, y_j), F = 2 LCS / (length i + length j)"
    source: ClassVar[str] = "Lin 2004, W04-1013; Shaib et al. 2024, arXiv 2403.00553"
    least: ClassVar[int] = 2

    def diversity(self, texts: Sequence[str]) -> float:
        """Return 1 - mean pairwise ROUGE-L in [0, 1]."""
        pairs = combinations([words(text) for text in texts], 2)
        return 1 - fmean(rouge_l(first, second) for first, second in pairs)
