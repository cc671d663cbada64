from __future__ import annotations

import numpy as np

from baco_samplers.penalties import penalise_presence_and_frequency, penalise_repetition

LOGITS = np.array([2.0, -2.0, 0.0, 4.0])
COUNTS = np.array([1, 3, 2, 0])


def test_repetition_divides_positive_and_multiplies_negative_logits_of_used_tokens() -> None:
    assert penalise_repetition(LOGITS, COUNTS, 2.0).tolist() == [1.0, -4.0, 0.0, 4.0]
    assert penalise_repetition(LOGITS, COUNTS, 0.5).tolist() == [4.0, -1.0, 0.0, 4.0]


def test_presence_counts_once_and_frequency_each_time() -> None:
    assert penalise_presence_and_frequency(LOGITS, COUNTS, 0.5, 0.0).tolist() == [1.5, -2.5, -0.5, 4.0]
    assert penalise_presence_and_frequency(LOGITS, COUNTS, 0.0, 0.5).tolist() == [1.5, -3.5, -1.0, 4.0]
    assert penalise_presence_and_frequency(LOGITS, COUNTS, 1.0, -1.0).tolist() == [2.0, 0.0, 1.0, 4.0]


def test_neutral_settings_change_nothing() -> None:
    assert penalise_repetition(LOGITS, COUNTS, 1.0).tolist() == LOGITS.tolist()
    assert penalise_presence_and_frequency(LOGITS, COUNTS, 0.0, 0.0).tolist() == LOGITS.tolist()
