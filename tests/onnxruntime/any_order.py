"""Any order of calls on several sequences of one model, each checked against a fresh read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from baco_core.errors import BacoError, ContextError
from baco_core.model import TokenSequence
from baco_onnxruntime.model import OnnxModel
from tests.onnxruntime.conftest import AnyDecoder

VOCAB_SIZE = 97
token_lists = st.lists(st.integers(0, VOCAB_SIZE - 1), min_size=1, max_size=6)


class AnyOrder(RuleBasedStateMachine):
    """Several sequences of one model; each must give the rows of its tokens, to the bit."""

    model: OnnxModel
    decoder: AnyDecoder
    exact: bool
    compared = 0
    """Rows that were held against the formula, in all runs."""

    @initialize()
    def open(self) -> None:
        self.pairs: list[tuple[TokenSequence, list[int]]] = [(self.model.open(), [])]

    @rule(which=st.integers(0, 100), tokens=token_lists, rows=st.integers(0, 6))
    def extend(self, which: int, tokens: list[int], rows: int) -> None:
        sequence, history = self.pairs[which % len(self.pairs)]
        rows = min(rows, len(tokens))
        if len(history) + len(tokens) > self.decoder.max_length:
            with pytest.raises(ContextError):
                sequence.extend(tokens, rows)
            return
        got = sequence.extend(tokens, rows)
        history += tokens
        self.check(got, history)

    @rule(which=st.integers(0, 100), bad=st.sampled_from([-1, VOCAB_SIZE]))
    def extend_by_a_foreign_token(self, which: int, bad: int) -> None:
        with pytest.raises(BacoError):
            self.pairs[which % len(self.pairs)][0].extend([1, bad])

    @rule(which=st.integers(0, 100), kept=st.floats(0, 1))
    def rewind(self, which: int, kept: float) -> None:
        sequence, history = self.pairs[which % len(self.pairs)]
        sequence.rewind(int(kept * len(history)))
        del history[int(kept * len(history)) :]

    @rule(which=st.integers(0, 100), n=st.integers(0, 2))
    def fork(self, which: int, n: int) -> None:
        sequence, history = self.pairs[which % len(self.pairs)]
        self.pairs += [(copy, list(history)) for copy in sequence.fork(n)]

    @rule(which=st.integers(0, 100))
    def forget(self, which: int) -> None:
        if len(self.pairs) > 1:
            del self.pairs[which % len(self.pairs)]

    @rule(
        reads=st.lists(st.tuples(token_lists, st.integers(0, 6)), min_size=1, max_size=5),
        first=st.integers(0, 9),
    )
    def extend_many(self, reads: list[tuple[list[int], int]], first: int) -> None:
        chosen = [
            self.pairs[(first + at) % len(self.pairs)] for at in range(min(len(reads), len(self.pairs)))
        ]
        calls = [
            (sequence, history, tokens, min(rows, len(tokens)))
            for (sequence, history), (tokens, rows) in zip(chosen, reads, strict=False)
            if len(history) + len(tokens) <= self.decoder.max_length
        ]
        answers = self.model.extend_many(
            [call[0] for call in calls], [call[2] for call in calls], [call[3] for call in calls]
        )
        for (_, history, tokens, rows), got in zip(calls, answers, strict=True):
            history += tokens
            assert len(got) == rows
            self.check(got, history)

    def check(self, got: np.ndarray, history: list[int]) -> None:
        type(self).compared += len(got)
        wanted = self.decoder.rows(history)[len(history) - len(got) :]
        np.testing.assert_allclose(got, wanted, atol=1e-4)
        if self.exact:
            assert np.array_equal(got, self.model.open().extend(history, len(got)))

    def teardown(self) -> None:
        for sequence, history in getattr(self, "pairs", []):
            assert sequence.length == len(history)


def run_any_order(model: OnnxModel, decoder: AnyDecoder, exact: bool) -> int:
    """Try many orders of calls; return how many rows were compared."""
    machine = type("Machine", (AnyOrder,), {"model": model, "decoder": decoder, "exact": exact})
    steps = settings(max_examples=40, deadline=None, stateful_step_count=30)
    run_state_machine_as_test(machine, settings=steps)
    compared: int = machine.compared  # type: ignore[attr-defined]
    return compared
