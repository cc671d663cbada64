"""Penalties and biases: changes of single logits before any filter. Pure functions of arrays.

Each takes the logits of some tokens, float64, and returns new ones. `counts` says how often each
token stands in the generated text (not in the prompt: the two models read different ones).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


def penalise_repetition(logits: Numbers, counts: Counts, penalty: float) -> Numbers:
    """Divide positive logits of used tokens by `penalty` and multiply others by it; 1 changes nothing.

    The definition of Hugging Face transformers (RepetitionPenaltyLogitsProcessor), after Keskar et al.
    2019, arXiv 1909.05858, there over the prompt as well.
    """
    penalised = np.where(logits > 0, logits / penalty, logits * penalty)
    return np.where(counts > 0, penalised, logits)


def penalise_presence_and_frequency(
    logits: Numbers, counts: Counts, presence: float, frequency: float
) -> Numbers:
    """Return l - frequency * count - presence * [count > 0]; 0 and 0 change nothing.

    The definition of the OpenAI API ("Frequency and presence penalties").
    """
    penalised: Numbers = logits - frequency * counts - presence * (counts > 0)
    return penalised
