"""Which prompts gamma is found on, and which it is checked on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

from baco_core.config import Part
from baco_core.errors import ConfigError
from baco_core.plugins import Plugins
from baco_eval.records import Prompt

TEXTS = 80
"""How many texts are written under each gamma, unless somebody says."""


def prompts_of(task: Part, plugins: Plugins) -> list[Prompt]:
    """Return a task's prompts; BacoError when there is none, an id is there twice, or as the task raises."""
    prompts = list(plugins.tasks.build(task, "").prompts())
    twice = [name for name, count in Counter(prompt.id for prompt in prompts).items() if count > 1]
    if twice or not prompts:
        what = f"has the id {twice[0]!r} twice" if twice else "has no prompts"
        raise ConfigError(f"{task.origin}: {task.use!r} {what}.")
    return prompts


def amounts(size: int, dev: int | None, texts: int | None, check: bool) -> tuple[int, int]:
    """Return how many of `size` prompts are dev prompts, and texts of each; what is None makes TEXTS in all.

    Prompts differ more than the texts of one do, so that as many prompts as there are are taken, or half of
    them where there is to be a check, and several texts of each only where they are few.
    """
    dev = dev or min(TEXTS, max(size // 2, 1) if check else size)
    return dev, texts or ceil(TEXTS / min(dev, size))


def split(prompts: Sequence[Prompt], dev: int, check: int = 0) -> tuple[list[Prompt], list[Prompt]]:
    """Return dev prompts, and others to check on, at most `dev` and `check` of them.

    Both are spread evenly over the task, in its order: files of prompts are often sorted by category. Raises
    ConfigError for less than one dev prompt, and when there are to be others but none is left.
    """
    if dev < 1 or check < 0:
        raise ConfigError(f"--dev and --check must be 1 or more, not {dev} and {check}.")
    chosen = _spread(len(prompts), dev)
    rest = [prompt for index, prompt in enumerate(prompts) if index not in chosen]
    if check and not rest:
        raise ConfigError(
            f"--check: all {len(prompts)} prompts of the task are dev prompts and none is left; lower --dev."
        )
    unseen = [rest[index] for index in sorted(_spread(len(rest), check))]
    return [prompts[index] for index in sorted(chosen)], unseen


def _spread(size: int, count: int) -> set[int]:
    taken = min(size, count)
    return {index * size // taken for index in range(taken)}
