"""Quality by a reward model: any sequence classifier with one output. Larger is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar

import msgspec

from baco_core.errors import ConfigError
from baco_eval.metrics.classes import Partitioned
from baco_eval.metrics.metric import Direction, Group, Measured, some_texts
from baco_eval.metrics.utility import CUTS, PATIENCE, points_of, utility
from baco_eval.records import Prompt

DEFAULT_REWARD = "Skywork/Skywork-Reward-Gemma-2-27B-v0.2"
NEEDS = "a reward model"
RewardModel = Annotated[
    str,
    msgspec.Meta(
        description="Which reward model: a folder, or a name in the cache; any sequence classifier with one "
        "output. The default is NoveltyBench's, of 27 billion parameters.",
        min_length=1,
    ),
]


def rewards(name: str, prompt: str, texts: Sequence[str]) -> list[float]:
    """Return the reward of each text as an answer to the prompt, as the model gives it.

    Prompt and text are a conversation where the model has a chat template, else a pair of texts. Raises
    Unavailable where the model is not here, ConfigError for one with several outputs.
    """
    from baco_eval.models.classifier import classifier

    opened = classifier(name)
    if len(opened.labels) != 1:
        raise ConfigError(
            f"classifier {name!r} has {len(opened.labels)} outputs ({', '.join(opened.labels)}); a reward "
            "model has one: name another one in the option model."
        )
    return [float(opened.reply_logits(prompt, text)[0]) for text in texts]


def reward_model(name: str) -> str:
    """Return a reward model's name and hash; Unavailable where it is not here."""
    from baco_eval.models.classifier import CLASSIFIER

    return CLASSIFIER.identity(name)


@dataclass(frozen=True, slots=True)
class Reward:
    """Mean reward of the texts as answers to the prompt, on the scale of the model.

    Scores of different models do not compare. Reward models favour longer texts (arXiv 2505.16245).
    """

    model: RewardModel = DEFAULT_REWARD

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    formula: ClassVar[str] = "mean over texts of the model's one output for prompt and text"
    source: ClassVar[str] = "Liu et al. 2024 (Skywork-Reward), arXiv 2410.18451; as in arXiv 2504.05228"
    group: ClassVar[Group] = "quality"
    needs: ClassVar[str | None] = NEEDS

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the mean; NotMeasured without texts, or where the model is not there."""
        return fmean(rewards(self.model, prompt.text, some_texts(texts)))

    def models(self) -> dict[str, str]:
        """Return the model's name and hash; Unavailable where it is not there."""
        return {"model": reward_model(self.model)}


@dataclass(frozen=True, slots=True)
class Utility(Partitioned):
    """utility_k: what the texts are worth to a reader who goes on with some patience, and wants new ones.

    Comparable with NoveltyBench's figures only with its reward model, its cuts and the rule classifier.
    """

    model: RewardModel = DEFAULT_REWARD
    cuts: Annotated[
        tuple[float, ...],
        msgspec.Meta(
            description="Rewards between points, ascending: one point below the first, one more above each. "
            "The default is NoveltyBench's, for its own model alone.",
            min_length=1,
        ),
    ] = CUTS
    patience: Annotated[
        float, msgspec.Meta(gt=0, lt=1, description="Chance that the reader goes on to the next text.")
    ] = PATIENCE

    range: ClassVar[tuple[float, float]] = (0.0, math.inf)
    formula: ClassVar[str] = (
        "(1 - p) / (1 - p^k) * sum over i of p^(i-1) * [y_i opens a class] * points of its reward"
    )
    source: ClassVar[str] = "Zhang et al. 2025 (NoveltyBench), arXiv 2504.05228"
    group: ClassVar[Group] = "other"
    needs: ClassVar[str | None] = NEEDS

    def __post_init__(self) -> None:
        super(Utility, self).__post_init__()
        if any(low >= high for low, high in zip(self.cuts, self.cuts[1:], strict=False)):
            raise ValueError("cuts must ascend")

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the utility, 0 to 1 more than there are cuts; raises as `classes` and `rewards`."""
        some, classes = some_texts(texts, 2), self.classes(texts)
        openers = {number: classes.index(number) for number in dict.fromkeys(classes)}
        given = rewards(self.model, prompt.text, [some[place] for place in openers.values()])
        points = {number: points_of(reward, self.cuts) for number, reward in zip(openers, given, strict=True)}
        return utility(classes, [points[number] for number in classes], self.patience)

    def models(self) -> dict[str, str]:
        """Return the models' names and hashes; Unavailable where one is not there."""
        return {"model": reward_model(self.model), **super(Utility, self).models()}
