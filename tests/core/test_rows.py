"""Rows that are no distribution, and temperatures that are nearly none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from baco_core.errors import ModelError
from baco_core.exchange import SharedTokens
from baco_core.lane import Lane, Prefix
from baco_core.model import TokenSequence
from baco_core.noise import GumbelNoise
from baco_core.pick import Picker
from baco_core.rows import Rows
from baco_core.testing.fakes import FakeModel, FakeSequence, PlainSampler


class BrokenSequence(FakeSequence):
    """Answers with a row that holds one wrong value from the third token on."""

    wrong = float("nan")

    def extend(self, token_ids: Sequence[int], rows: int = 1) -> Rows:
        found = super().extend(token_ids, rows)
        if self.length > 2:
            found[-1, 1] = self.wrong
        return found

    def fork(self, n: int) -> list[TokenSequence]:
        return [BrokenSequence(self.model, list(self.history)) for _ in range(n)]


class BrokenModel(FakeModel):
    """Opens them."""

    def open(self) -> FakeSequence:
        return BrokenSequence(self)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_row_that_is_no_distribution_names_the_model_whoever_looks_at_it(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BrokenSequence, "wrong", wrong)
    lane = Lane(Prefix(BrokenModel(1, 8), (1, 2), 4, "base"), SharedTokens())
    lane.row()
    lane.transcript.wrote(3)
    with pytest.raises(ModelError, match=f"base model: a row of logits is no distribution .*{wrong}"):
        lane.row()
    with pytest.raises(ModelError, match="base model"):
        Lane(Prefix(BrokenModel(1, 8), (1, 2, 3), 4, "base"), SharedTokens()).row()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [1e-300, 1e-310, 5e-324])
@pytest.mark.parametrize("kept", [2, 64])
def test_a_temperature_next_to_nothing_is_greedy(temperature: float, kept: int) -> None:
    row = np.full(64, -np.inf, np.float32)
    row[:kept] = np.linspace(3.0, 40.0, kept)
    assert Picker(PlainSampler(temperature), GumbelNoise(0)).pick(row, (), 0) == kept - 1
