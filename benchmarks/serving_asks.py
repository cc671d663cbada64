"""What the clients of the load test ask, and what each answer must be: written beforehand, alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from baco_core.config import load_config
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins

ABOUT = ("a lighthouse", "a cat and a boat", "two friends", "the sea at night", "a lost key", "a red kite")
FILLER = "The wind was cold, the sand was warm, and nobody had seen the old man since spring. "
LENGTHS = (0, 0, 0, 2, 6, 20)
"""How often the filler stands before a question: half are short, one in six has some 400 tokens."""
ROUTERS: tuple[tuple[str, float], ...] = (("p-punc", 0.3), ("rand", 0.5), ("h", 2.0), ("p", 0.4))


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, and the texts that it must bring."""

    prompt: str
    router: str
    gamma: float
    seed: int
    n: int
    max_tokens: int
    texts: tuple[str, ...] = ()

    def body(self, model: str, *, stream: bool, schedule: str | None = None) -> dict[str, Any]:
        """Return what /v1/chat/completions is sent."""
        baco = {"router": self.router, "gamma": self.gamma, "schedule": schedule}
        message = {"role": "user", "content": self.prompt}
        given = {"n": self.n, "seed": self.seed, "max_tokens": self.max_tokens, "stream": stream}
        return {"model": model, "messages": [message], "baco": baco, **given}

    def settings(self) -> list[str]:
        """Return the same as settings of a config."""
        return [
            f"router={{use: {self.router}, options: {{gamma: {self.gamma}}}}}",
            f"decode.seed={self.seed}",
            f"decode.n={self.n}",
            f"decode.max_new_tokens={self.max_tokens}",
        ]


def drawn(count: int, most: int, seed: int = 0) -> list[Ask]:
    """Return requests of mixed lengths; the longest text has `most` tokens."""
    draw = Random(seed)  # noqa: S311  no secret
    return [_ask(draw, number, most) for number in range(count)]


def _ask(draw: Random, number: int, most: int) -> Ask:
    filler = FILLER * draw.choice(LENGTHS)
    router, gamma = draw.choice(ROUTERS)
    prompt = f"{filler}Tell me a story about {draw.choice(ABOUT)}."
    return Ask(
        prompt, router, gamma, number, draw.choice((1, 1, 2)), draw.choice((most // 8, most // 2, most))
    )


def answered(asks: Sequence[Ask], config: Path | None) -> list[Ask]:
    """Return the requests with the texts that a pipeline writes for each when it is alone."""
    begun = load_config(config)
    pipeline = Pipeline.from_config(begun, load_plugins(begun.plugins))
    return [_answered(ask, pipeline, config) for ask in asks]


def _answered(ask: Ask, pipeline: Pipeline, config: Path | None) -> Ask:
    samples = pipeline.using(load_config(config, ask.settings())).generate(ask.prompt)
    return replace(ask, texts=tuple(sample.text for sample in samples))
