"""The same settings in Hugging Face transformers, an independent implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baco_core.rows import Logits
from baco_samplers.samplers import Multinomial

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
torch = pytest.importorskip("torch", reason="torch is not installed")

from transformers.generation import logits_process as theirs  # noqa: E402

CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "top_k": ({"top_k": 12}, lambda: theirs.TopKLogitsWarper(12)),
    "top_p": ({"top_p": 0.83}, lambda: theirs.TopPLogitsWarper(0.83)),
    "min_p": ({"min_p": 0.07}, lambda: theirs.MinPLogitsWarper(0.07)),
    "typical": ({"typical_p": 0.83}, lambda: theirs.TypicalLogitsWarper(0.83)),
    "repetition": ({"repetition_penalty": 1.7}, lambda: theirs.RepetitionPenaltyLogitsProcessor(1.7)),
    "bias": (
        {"logit_bias": {3: 2.5, 8: -4.0}},
        lambda: theirs.SequenceBiasLogitsProcessor([[[3], 2.5], [[8], -4.0]]),
    ),
}
ORDER = ("repetition", "top_k", "typical", "top_p", "min_p")


def made_rows() -> list[Logits]:
    rng = np.random.default_rng(5)
    sizes = [(size, scale) for size in (20, 500, 30_000) for scale in (0.5, 2.0, 6.0)]
    return [rng.normal(scale=scale, size=size).astype(np.float32) for size, scale in sizes]


def processed(processor: Any, row: Logits, history: list[int]) -> Logits:
    result: Logits = processor(torch.tensor([history]), torch.tensor(row)[None])[0].numpy()
    return result


@pytest.mark.parametrize("name", CASES)
def test_one_setting_gives_the_same_row(name: str) -> None:
    options, make = CASES[name]
    for row in made_rows():
        history = np.random.default_rng(row.size).integers(row.size, size=15).tolist()
        expected = processed(make(), row, history)
        np.testing.assert_allclose(Multinomial(**options).filter(row, history), expected, rtol=1e-6)


def test_all_settings_together_give_the_same_row() -> None:
    options = {key: value for name in ORDER for key, value in CASES[name][0].items()}
    for row in made_rows():
        expected, history = row, [1, 5, 5, 7]
        for name in ORDER:
            expected = processed(CASES[name][1](), expected, history)
        np.testing.assert_allclose(Multinomial(**options).filter(row, history), expected, rtol=1e-6)
