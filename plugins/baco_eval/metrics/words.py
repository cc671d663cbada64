"""Words, and the common cut before lexical metrics.

Longer texts repeat more words and compress better, whoever wrote them (arXiv 2507.15092). So texts that
are compared are first cut to a common number of words.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from baco_core.errors import ConfigError
from baco_eval.metrics.metric import Unavailable
from baco_eval.records import Generation

LEAST_WORDS = 20
"""About a sentence: a setting that falls apart into less must not take everyone's text away."""

_NO_SPACES = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"(?V1)[{_NO_SPACES}]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}]--[{_NO_SPACES}]]+"


def words(text: str) -> list[str]:
    """Return the words in lower case: runs of letters, marks and digits of any script.

    In scripts without spaces each character is a word. For English these are the tokens of
    `rouge-score`, which knows the letters a to z alone and so finds none in other scripts.
    """
    return [found.lower() for found in _word().findall(text)]


def truncate(text: str, count: int) -> str:
    """Return the text up to the end of its word number `count`, as it was written; 0 keeps all of it."""
    if count == 0:
        return text
    for number, found in enumerate(_word().finditer(text), 1):
        if number == count:
            return text[: found.end()]
    return text


def common_words(counts: Mapping[Any, Sequence[int]], least: int = LEAST_WORDS) -> int:
    """Return to how many words all texts of a plane are cut: the shortest median, `least` or more.

    `counts` holds, by setting, the numbers of words of its texts over all prompts. The setting with the
    shortest median decides, so that at least half the texts of each setting reach the cut; shorter ones
    stay as they are. One number for all prompts: a cut by prompt would follow the noise of a few texts.
    Raises ConfigError when a setting has no text.
    """
    empty = [setting for setting, found in counts.items() if not found]
    if not counts or empty:
        raise ConfigError(f"no texts to cut{f' for setting {empty[0]!r}' if empty else ''}; generate some.")
    return max(least, 1, int(min(statistics.median_low(found) for found in counts.values())))


def word_counts(generations: Iterable[Generation]) -> dict[tuple[str, str], list[int]]:
    """Return the numbers of words of the texts by (method, setting), for `common_words`."""
    counts: dict[tuple[str, str], list[int]] = {}
    for generation in generations:
        counts.setdefault((generation.method, generation.setting), []).append(len(words(generation.text)))
    return counts


def ngrams(tokens: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    """Return the runs of n tokens, in order."""
    return zip(*(tokens[start:] for start in range(n)), strict=False)


@cache
def _word() -> Any:
    try:
        import regex  # type: ignore[import-untyped]
    except ImportError as error:
        raise Unavailable(f"words need the package regex ({error}); pip install 'baco[eval]'.") from error
    return regex.compile(_WORD)
