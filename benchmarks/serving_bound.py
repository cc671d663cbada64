"""What company can bring at most: passes of a pair's models for one text and for several, nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from baco_core.config import load_config
from baco_core.model import Model, TokenSequence
from baco_core.pair import Pair
from baco_core.pipeline import Pipeline
from baco_core.plugins import load_plugins

CONTEXT = 150
"""Tokens that were read before: about as many as a request of the load has in mid-text."""
PASSES = 40


def bound(config: Path | None, texts: int) -> dict[str, float]:
    """Return milliseconds of a pass for 1 text and for `texts`, both models at once, and the best ratio.

    The ratio is that of tokens a second, if all but the models cost nothing.
    """
    begun = load_config(config)
    pair = Pipeline.from_config(begun, load_plugins(begun.plugins), texts).pair
    one, many = (_milliseconds(pair, count) for count in (1, texts))
    return {"one": one, "many": many, "ratio": texts * one / many}


def _milliseconds(pair: Pair, texts: int) -> float:
    """Return the median milliseconds in which every text has been read one token further."""
    sequences = {id(model): _opened(model, texts * _views(pair, model)) for model in pair.models}
    with ThreadPoolExecutor(len(sequences)) as threads:
        taken = []
        for _ in range(PASSES):
            began = time.perf_counter()
            list(threads.map(lambda model: _read(model, sequences[id(model)]), pair.models))
            taken.append(1000 * (time.perf_counter() - began))
    return median(taken)


def _views(pair: Pair, model: Model) -> int:
    return sum(member.model is model for member in pair.members.values())


def _opened(model: Model, count: int) -> list[TokenSequence]:
    sequences = [model.open() for _ in range(count)]
    for sequence in sequences:
        sequence.prefill([at % model.vocab_size for at in range(CONTEXT)])
    return sequences


def _read(model: Model, sequences: Sequence[TokenSequence]) -> None:
    model.extend_many(sequences, [[1]] * len(sequences), [1] * len(sequences))
