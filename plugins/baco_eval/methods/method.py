"""What a method plugin implements (hook `register_baselines`): what is asked for text `index` of a prompt.

Router and sampler are set apart from it: every method can be had with any of them. So a text depends on
the pair, the prompt, the seed, the setting and its index; where a method shows earlier texts, on those too,
which depend on the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from baco_core.errors import ContextError
from baco_core.pipeline import Pipeline
from baco_core.prompts import Message
from baco_eval.records import Prompt


@runtime_checkable
class Method(Protocol):
    """A frozen recipe for questions: a frozen dataclass whose fields are its options.

    Optional attribute: `shows_earlier: bool` (default False) says that text `index` needs the texts 0 to
    `index - 1` of its prompt.
    """

    def messages(self, prompt: Prompt, index: int, earlier: Sequence[str]) -> tuple[Message, ...]:
        """Return the conversation that text `index` answers; pure.

        `earlier` are earlier texts of the prompt, oldest first: all, or the last of them; empty unless
        the method `shows_earlier`. Raises ConfigError naming a prompt that lacks what is needed.
        """


def shows_earlier(method: Method) -> bool:
    """Return whether text i must wait for the texts before it."""
    return bool(getattr(method, "shows_earlier", False))


def asked(
    method: Method, pipeline: Pipeline, prompt: Prompt, index: int, earlier: Sequence[str]
) -> tuple[Message, ...]:
    """Return what is asked for text `index`, without the oldest of the earlier texts where all don't fit.

    `earlier` must be the texts 0 to `index - 1` where the method shows them, else it is not looked at.
    Raises ContextError when the prompt alone does not fit into a model's context, ValueError for another
    number of earlier texts.
    """
    if not shows_earlier(method):
        return method.messages(prompt, index, ())
    if len(earlier) != index:
        raise ValueError(f"text {index} needs the {index} texts before it, not {len(earlier)}")
    for first in range(index):
        messages = method.messages(prompt, index, earlier[first:])
        if _fits(pipeline, messages):
            return messages
    return method.messages(prompt, index, ())


def _fits(pipeline: Pipeline, messages: Sequence[Message]) -> bool:
    try:
        pipeline.read(messages)
    except ContextError:
        return False
    return True
