"""Batches for language modelling: shuffled rows of packed documents, the same for the same seed and step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from recipes.augment import Rates, vary
from recipes.corpus import END_OF_TEXT, Corpus, seeded
from recipes.subjects import Lexicon

Rows = npt.NDArray[np.int64]


class Rotation:
    """Endless rows of `length` tokens; each epoch packs the documents anew and shuffles the rows."""

    def __init__(self, documents: Callable[[Random], list[str]], tokenizer: Tokenizer, name: str) -> None:
        self._documents, self._tokenizer, self._name = documents, tokenizer, name
        self._epoch = 0
        self._rows: list[npt.NDArray[np.int64]] = []

    def take(self, length: int) -> npt.NDArray[np.int64]:
        """The next row, int64 [length]; a change of length starts a new epoch."""
        if not self._rows or len(self._rows[-1]) != length:
            self._rows = self._pack(length)
        return self._rows.pop()

    def _pack(self, length: int) -> list[npt.NDArray[np.int64]]:
        random = seeded(f"{self._name}/{self._epoch}")
        self._epoch += 1
        ids = np.array(self._tokenizer.encode("".join(self._documents(random))).ids, dtype=np.int64)
        ids = np.roll(ids, random.randrange(len(ids)))
        if len(ids) < length:
            ids = np.tile(ids, length // len(ids) + 1)
        rows = [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]
        random.shuffle(rows)
        return rows


def batches(
    corpus: Corpus,
    tokenizer: Tokenizer,
    lexicon: Lexicon,
    *,
    shapes: list[tuple[int, int]],
    story_share: float,
    seed: int,
) -> Iterator[Rows]:
    """One int64 [rows, context + 1] array for each of `shapes`; a `story_share` of all rows are stories."""
    stories = Rotation(lambda random: _stories(corpus, lexicon, random), tokenizer, f"{seed}/stories")
    tales = Rotation(lambda random: _tales(corpus, random), tokenizer, f"{seed}/tales")
    choose = seeded(f"{seed}/mix")
    for rows, context in shapes:
        taken = [stories if choose.random() < story_share else tales for _ in range(rows)]
        yield np.stack([source.take(context + 1) for source in taken])


def _stories(corpus: Corpus, lexicon: Lexicon, random: Random) -> list[str]:
    """Varied stories in random order; one in twelve is joined to the next by a blank line, as in a book."""
    varied = [
        vary(story, lexicon, random, Rates()) for story in random.sample(corpus.stories, len(corpus.stories))
    ]
    return [story + ("\n\n" if random.random() < 1 / 12 else END_OF_TEXT) for story in varied]


def _tales(corpus: Corpus, random: Random) -> list[str]:
    return [tale + END_OF_TEXT for tale in random.sample(corpus.tales, len(corpus.tales))]
