"""Quality without a reward model: what a third model finds likely, and a proxy. Larger is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, ClassVar

import msgspec

from baco_eval.metrics.metric import Direction, Group, Measured, NotMeasured, Unavailable, some_texts
from baco_eval.metrics.semantic import Embedded
from baco_eval.records import Prompt


@dataclass(frozen=True, slots=True)
class Perplexity:
    """How likely the texts are to a third model: -ln perplexity per token, averaged over the texts.

    Texts without a token to be judged are left out. A member of the pair is refused: it would judge its
    own text.
    """

    bundle: Annotated[
        str,
        msgspec.Meta(
            description="Who judges, BUNDLE[:MEMBER], never a member of the pair; empty: Gemma 3 270M or "
            "SmolLM2 135M, whichever is exported and did not write."
        ),
    ] = ""
    pair: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Who wrote, BUNDLE:MEMBER each, so that neither is who judges."),
    ] = ()
    after_prompt: Annotated[
        bool, msgspec.Meta(description="Judge a text as what follows the prompt and a blank line.")
    ] = False
    window: Annotated[
        int, msgspec.Meta(ge=0, description="Most tokens read at once; 0: what the model can.")
    ] = 0
    backend: Annotated[str, msgspec.Meta(description="What runs the model; empty: the default.")] = ""
    texts: Annotated[
        int, msgspec.Meta(ge=0, description="Judge the first so many texts of a prompt; 0: all of them.")
    ] = 0

    direction: ClassVar[Direction] = 1
    range: ClassVar[tuple[float, float]] = (-math.inf, 0.0)
    formula: ClassVar[str] = "mean over texts of mean over tokens of ln p(token | what precedes it), in nats"
    source: ClassVar[str] = "Jelinek et al. 1977, perplexity; our choice as a quality, under a third model"
    group: ClassVar[Group] = "quality"
    needs: ClassVar[str | None] = "a language model (a bundle)"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the mean in nats, at most 0; NotMeasured for no scorer, no pair, or only empty texts.

        Raises ConfigError when the scorer is a member of the pair, BundleError or ModelError when it
        cannot be opened.
        """
        some = some_texts(texts)[: self.texts or None]
        from baco_eval.models.scorer import open_scorer

        scorer = open_scorer(self._judge(), self.pair, self.backend, self.window)
        before = f"{prompt.text}\n\n" if self.after_prompt else ""
        read = {text: scorer.log_probabilities(text, before) for text in dict.fromkeys(some)}
        means = [float(read[text].mean()) for text in some if len(read[text])]
        if not means:
            raise NotMeasured("no text has a token that the scorer can judge.")
        return min(fmean(means), 0.0)

    def models(self) -> dict[str, str]:
        """Return who judges, and the hash of the bundle; Unavailable, ConfigError and others as `measure`."""
        from baco_eval.models.scorer import identity

        return {"bundle": identity(self._judge(), self.pair)}

    def _judge(self) -> str:
        """Return the bundle named, else the first default that did not write."""
        if not self.pair:
            raise Unavailable("nobody said who wrote; set the option pair to both members' bundles.")
        from baco_eval.models.scorer import default_scorer

        bundle = self.bundle or default_scorer(self.pair)
        if bundle is None:
            raise Unavailable(
                "no third model is here to judge; export one (baco export --model SOURCE --out DIR) and "
                "name it in the option bundle."
            )
        return bundle


@dataclass(frozen=True, slots=True)
class Relevance(Embedded):
    """A proxy for quality where no reward model is: how near the texts are to the prompt.

    It says whether a text is about what was asked (MiniLM was trained on questions with their answers,
    among others), and nothing of how good it is: it is no judge. An empty text has 0.
    """

    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    formula: ClassVar[str] = "mean over texts of cos(vector of the prompt, vector of the text); a proxy"
    source: ClassVar[str] = "our own proxy; encoders: Reimers and Gurevych 2019, arXiv 1908.10084"
    group: ClassVar[Group] = "quality"
    proxy_for: ClassVar[str] = "reward"

    def measure(self, texts: Measured, prompt: Prompt) -> float:
        """Return the mean cosine; NotMeasured without texts or encoder."""
        some = some_texts(texts)
        asked, *read = self.vectors([prompt.text, *(text for text in some if text.strip())])
        total = math.fsum(float(asked @ one) for one in read)
        return min(max(total / len(some), -1.0), 1.0)
