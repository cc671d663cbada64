"""Semantic diversity by natural language inference: do texts contradict or entail one another?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec

from baco_core.errors import ConfigError
from baco_eval.metrics.metric import Direction, Group, Measured, some_texts
from baco_eval.records import Prompt

if TYPE_CHECKING:
    from baco_eval.models.classifier import Classifier

DEFAULT_NLI = "FacebookAI/roberta-large-mnli"
WEIGHTS = {"contradict": 1.0, "neutral": 0.0, "entail": -1.0}
"""What a judgement counts, by how the model's label begins."""


@dataclass(frozen=True, slots=True)
class Nli:
    """NLI diversity: how often texts contradict one another, less how often they say the same.

    Two texts are cut together to what the model reads (mostly 512 tokens). k texts take k (k - 1) passes.
    """

    model: Annotated[
        str,
        msgspec.Meta(
            description="Which model of inference: a folder, or a name in the cache; its labels are "
            "contradiction, neutral and entailment.",
            min_length=1,
        ),
    ] = DEFAULT_NLI
    rule: Annotated[
        Literal["label", "probability"],
        msgspec.Meta(
            description="What counts of a judgement: the likeliest label alone, or all by their probability."
        ),
    ] = "label"

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    formula: ClassVar[str] = (
        "mean over i != j of +1, 0, -1 where y_i contradicts y_j, says nothing of it, entails it"
    )
    source: ClassVar[str] = "Stasaski and Hearst 2022, arXiv 2205.01497"
    group: ClassVar[Group] = "semantic"
    needs: ClassVar[str | None] = "a model of natural language inference"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the mean in [-1, 1]; NotMeasured for too few texts, or where the model is not there.

        Raises ConfigError for a model with other labels.
        """
        some = some_texts(texts, 2)
        from baco_eval.models.classifier import classifier

        opened = classifier(self.model)
        weights = weights_of(opened.labels, self.model)
        pairs = list(permutations(some, 2))
        known = {pair: self._judged(opened, weights, *pair) for pair in dict.fromkeys(pairs)}
        return fmean(known[pair] for pair in pairs)

    def models(self) -> dict[str, str]:
        """Return the model's name and hash; Unavailable where it is not there."""
        from baco_eval.models.classifier import CLASSIFIER

        return {"model": CLASSIFIER.identity(self.model)}

    def _judged(self, opened: Classifier, weights: Sequence[float], premise: str, hypothesis: str) -> float:
        if self.rule == "label":
            return weights[int(opened.logits(premise, hypothesis).argmax())]
        value = float(opened.probabilities(premise, hypothesis) @ weights)
        return min(max(value, -1.0), 1.0)


def weights_of(labels: Sequence[str], name: str) -> list[float]:
    """Return what each label of a model counts; ConfigError when they are not those of inference."""
    found = [_weight(label) for label in labels]
    weights = [weight for weight in found if weight is not None]
    if len(weights) < len(labels) or sorted(weights) != sorted(WEIGHTS.values()):
        raise ConfigError(
            f"classifier {name!r} has the labels {', '.join(labels)}; a model of inference has "
            "contradiction, neutral and entailment: name another one in the option model."
        )
    return weights


def _weight(label: str) -> float | None:
    return next((weight for word, weight in WEIGHTS.items() if label.lower().startswith(word)), None)
