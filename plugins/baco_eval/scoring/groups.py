"""The texts of a sweep by setting and prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from baco_eval.metrics.words import common_words, words
from baco_eval.records import Generation

Group = tuple[str, str, str]
"""Method, setting, prompt."""


def groups_of(generations: Iterable[Generation], n: int) -> dict[Group, list[Generation]]:
    """Return the complete groups, each with its `n` texts in order of their index."""
    found: dict[Group, list[Generation]] = {}
    for one in generations:
        found.setdefault((one.method, one.setting, one.prompt), []).append(one)
    ordered = {group: sorted(texts, key=lambda one: one.index) for group, texts in found.items()}
    return {group: texts for group, texts in sorted(ordered.items()) if len(texts) == n}


def words_for(groups: Mapping[Group, Sequence[Generation]]) -> int:
    """Return to how many words lexical metrics cut the texts of all settings (see `common_words`)."""
    counts: dict[tuple[str, str], list[int]] = {}
    for (method, setting, _), texts in groups.items():
        counts.setdefault((method, setting), []).extend(len(words(one.text)) for one in texts)
    return common_words(counts)
