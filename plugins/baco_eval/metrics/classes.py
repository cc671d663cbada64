"""How many different things a prompt's texts say, and how evenly. Larger is more diverse.

The texts are not cut to a common length: whole texts say the same, or do not.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from baco_eval.metrics.metric import Direction, Group, Measured, NotMeasured, some_texts
from baco_eval.metrics.partition import SIMILAR_ABOVE, RuleName, check_rule, partition, rule_of
from baco_eval.records import Prompt

DEFAULT_SIMILARITY = "yimingzhang/deberta-v3-large-generation-similarity"


def entropy(classes: Sequence[Hashable]) -> float:
    """Return -sum p_c ln p_c in nats, p_c the share of class c, from the class of each text.

    Raises NotMeasured without texts.
    """
    if not classes:
        raise NotMeasured("there is no text.")
    shares = [count / len(classes) for count in Counter(classes).values()]
    return max(0.0, -math.fsum(share * math.log(share) for share in shares))


@dataclass(frozen=True, slots=True)
class Partitioned(ABC):
    """What metrics of classes share: which texts are in one."""

    rule: Annotated[
        RuleName,
        msgspec.Meta(description="Which texts say the same; classifier is NoveltyBench's and needs a model."),
    ] = "rouge-1"
    similarity: Annotated[
        str,
        msgspec.Meta(description="For rule classifier: the model, a folder or a name in the cache."),
    ] = DEFAULT_SIMILARITY
    above: Annotated[
        float,
        msgspec.Meta(ge=0, le=1, description="For rule classifier: the same where P(similar) is above this."),
    ] = SIMILAR_ABOVE

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]]
    formula: ClassVar[str]
    source: ClassVar[str]
    group: ClassVar[Group] = "semantic"
    needs: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        check_rule(self.rule)

    def classes(self, texts: Measured) -> list[int]:
        """Return the class of each text; NotMeasured for fewer than two, or none but empty ones."""
        return partition(some_texts(texts, 2), rule_of(self.rule, self.similarity, self.above))

    def models(self) -> dict[str, str]:
        """Return the model's name and hash, where the rule asks one; Unavailable where it is not there."""
        if self.rule != "classifier":
            return {}
        from baco_eval.models.classifier import CLASSIFIER

        return {"similarity": CLASSIFIER.identity(self.similarity)}

    @abstractmethod
    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the value of the texts' classes; raises as `classes`."""


@dataclass(frozen=True, slots=True)
class DistinctK(Partitioned):
    """distinct_k: how many classes the k texts fall into. One more than NoveltyBench's field `distinct`."""

    range: ClassVar[tuple[float, float]] = (1.0, math.inf)
    formula: ClassVar[str] = "number of classes among the k texts; only first members are compared"
    source: ClassVar[str] = "Zhang et al. 2025 (NoveltyBench), arXiv 2504.05228"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the number of classes, 1 to k."""
        return float(max(self.classes(texts)) + 1)


@dataclass(frozen=True, slots=True)
class SemanticEntropy(Partitioned):
    """Semantic entropy: the entropy of the shares of the classes, 0 to ln k."""

    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[str] = "-sum over classes of p ln p, p = class size / k"
    source: ClassVar[str] = "Kuhn et al. 2023, arXiv 2302.09664, over classes as in arXiv 2504.05228"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the entropy in nats."""
        return entropy(self.classes(texts))
