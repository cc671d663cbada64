"""Ways to ask: the prompt as it is, and what is said to vary answers by asking for it.

The last three are modes of NoveltyBench (Zhang et al. 2025, arXiv 2504.05228, `src/inference.py` of
novelty-bench/novelty-bench, MIT), in our own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from baco_core.errors import ConfigError
from baco_core.options import check_ranges
from baco_core.prompts import Message
from baco_eval.records import Prompt

ANOTHER = "Please give another answer, different from those before."
NOVEL = (
    "Many users ask you the same things. Give each of them a novel answer of their own: good, and unlike "
    "what you would tell anybody else."
)


@dataclass(frozen=True, slots=True)
class Regenerate:
    """The prompt as it is, every time: texts differ by what is sampled."""

    def messages(self, prompt: Prompt, index: int, earlier: Sequence[str]) -> tuple[Message, ...]:
        """Return the prompt."""
        return (Message("user", prompt.text),)


@dataclass(frozen=True, slots=True)
class InContext:
    """The prompt, every answer so far, and after each the request for another one.

    Where the conversation outgrows a model's context the oldest answers are left out of it.
    """

    shows_earlier: ClassVar[bool] = True

    request: Annotated[str, msgspec.Meta(min_length=1, description="What asks for another answer.")] = ANOTHER
    keep: Annotated[
        int | None, msgspec.Meta(ge=1, description="The most earlier answers that are shown; left out, all.")
    ] = None

    def __post_init__(self) -> None:
        check_ranges(self)

    def messages(self, prompt: Prompt, index: int, earlier: Sequence[str]) -> tuple[Message, ...]:
        """Return the conversation so far."""
        turns = [Message("user", prompt.text)]
        for text in earlier[-self.keep :] if self.keep else earlier:
            turns += Message("assistant", text), Message("user", self.request)
        return tuple(turns)


@dataclass(frozen=True, slots=True)
class Paraphrase:
    """The prompt's stored paraphrases in turn, one for each text, and again from the first."""

    def messages(self, prompt: Prompt, index: int, earlier: Sequence[str]) -> tuple[Message, ...]:
        """Return the paraphrase of this index."""
        if not prompt.paraphrases:
            raise ConfigError(
                f"prompt {prompt.id!r} has no paraphrases for method 'paraphrase' to ask; choose a task "
                "that has them, such as creative, or noveltybench's curated part."
            )
        return (Message("user", prompt.paraphrases[index % len(prompt.paraphrases)]),)


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The prompt after a system message that asks for novel answers, in place of `prompts.system`."""

    system: Annotated[str, msgspec.Meta(min_length=1, description="The system message.")] = NOVEL

    def __post_init__(self) -> None:
        check_ranges(self)

    def messages(self, prompt: Prompt, index: int, earlier: Sequence[str]) -> tuple[Message, ...]:
        """Return system message and prompt."""
        return Message("system", self.system), Message("user", prompt.text)
