"""Classes of texts that say the same, after NoveltyBench (arXiv 2504.05228, `src/partition.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar, get_args

from baco_core.errors import ConfigError, did_you_mean
from baco_eval.metrics.rouge import rouge_1
from baco_eval.metrics.words import words

T = TypeVar("T")
Same = Callable[[T, T], bool]
"""Says whether two say the same: the first member of a class, and a later text."""

ROUGE_1_ABOVE = 0.458
SHORT = 5
SIMILAR_ABOVE = 0.102
SIMILAR_TOKENS = 128
RuleName = Literal["rouge-1", "short-or-rouge-1", "classifier"]
"""`classifier` is NoveltyBench's own, and needs its model: the short rule, else P(similar) above 0.102."""


def partition(items: Sequence[T], same: Same[T]) -> list[int]:
    """Return the class of each item, numbered from 0 by first appearance.

    In order, an item without a class opens one and claims each later free item that is the same. Only
    the first member of a class is compared, so `same` need not be transitive.
    """
    classes = [-1] * len(items)
    for first, item in enumerate(items):
        if classes[first] >= 0:
            continue
        classes[first] = number = max(classes) + 1
        for later in range(first + 1, len(items)):
            if classes[later] < 0 and same(item, items[later]):
                classes[later] = number
    return classes


def same_by_rouge_1(first: str, second: str) -> bool:
    """Say whether ROUGE-1 F is above 0.458; for short texts too. Two texts without words are the same.

    One of the rules NoveltyBench ships. It needs no model, and its counts are not comparable with
    those of the published classifier.
    """
    return rouge_1(words(first), words(second)) > ROUGE_1_ABOVE


def same_if_short(first: str, second: str) -> bool | None:
    """Say whether two texts of five words or fewer share enough of them; None when one is longer.

    Words are what white space separates, in lower case. They are the same if twice the number of
    different common words reaches the word count of the longer one.
    """
    one, other = first.strip().lower().split(), second.strip().lower().split()
    if max(len(one), len(other)) > SHORT:
        return None
    return 2 * len(set(one) & set(other)) >= max(len(one), len(other))


def or_short(same: Same[str]) -> Same[str]:
    """Return a rule that judges pairs of short texts by the short rule, and others by `same`."""

    def rule(first: str, second: str) -> bool:
        short = same_if_short(first, second)
        return same(first, second) if short is None else short

    return rule


RULES: dict[str, Same[str]] = {
    "rouge-1": same_by_rouge_1,
    "short-or-rouge-1": or_short(same_by_rouge_1),
}


"""The rules that need no model."""


def check_rule(name: str) -> None:
    """Raise ConfigError for an unknown rule."""
    known = get_args(RuleName)
    if name not in known:
        raise ConfigError(f"unknown partition rule {name!r}.{did_you_mean(name, known)}")


def rule_of(name: RuleName, similarity: str, above: float) -> Same[str]:
    """Return the rule of that name; the last two are for `classifier`, as `same_by_classifier` has them."""
    return or_short(same_by_classifier(similarity, above)) if name == "classifier" else RULES[name]


def same_by_classifier(name: str, above: float) -> Same[str]:
    """Return a rule that asks a model: P(similar), its second output's, is above `above`.

    Both texts are cut to 128 tokens, and the model does not see the prompt. Raises Unavailable where the
    model is not here, ConfigError for one with other than two outputs.
    """
    from baco_eval.models.classifier import classifier

    opened = classifier(name)
    if len(opened.labels) != 2:
        raise ConfigError(
            f"classifier {name!r} has {len(opened.labels)} outputs; one of similarity has two: different, "
            "similar."
        )

    def rule(first: str, second: str) -> bool:
        return bool(opened.probabilities(first, second, each=SIMILAR_TOKENS)[1] > above)

    return rule
