"""Sequences in any order of reading, rewinding and forking, alone, together and in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from baco_core.bundle import ModelFiles
from baco_core.errors import BacoError, ContextError, ModelError
from baco_core.model import TokenSequence
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.growing import GrowingSequence
from baco_onnxruntime.model import OnnxModel
from tests.graphs import Decoder
from tests.onnxruntime.conftest import Load

DECODER = Decoder(max_length=24)
token_lists = st.lists(st.integers(0, DECODER.vocab_size - 1), min_size=1, max_size=6)


class AnyOrder(RuleBasedStateMachine):
    """Several sequences of one model; each must give the rows of its tokens, to the bit."""

    model: OnnxModel
    exact: bool

    @initialize()
    def open(self) -> None:
        self.pairs: list[tuple[TokenSequence, list[int]]] = [(self.model.open(), [])]

    @rule(which=st.integers(0, 100), tokens=token_lists, rows=st.integers(0, 6))
    def extend(self, which: int, tokens: list[int], rows: int) -> None:
        sequence, history = self.pairs[which % len(self.pairs)]
        rows = min(rows, len(tokens))
        if len(history) + len(tokens) > DECODER.max_length:
            with pytest.raises(ContextError):
                sequence.extend(tokens, rows)
            return
        got = sequence.extend(tokens, rows)
        history += tokens
        self.check(got, history)

    @rule(which=st.integers(0, 100), bad=st.sampled_from([-1, DECODER.vocab_size]))
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

    @rule(tokens=token_lists)
    def extend_all(self, tokens: list[int]) -> None:
        able = [pair for pair in self.pairs if len(pair[1]) + len(tokens) <= DECODER.max_length]
        answers = self.model.extend_many(
            [sequence for sequence, _ in able], [tokens] * len(able), [1] * len(able)
        )
        for (_, history), got in zip(able, answers, strict=True):
            history += tokens
            self.check(got, history)

    def check(self, got: np.ndarray, history: list[int]) -> None:
        np.testing.assert_allclose(got, DECODER.rows(history)[len(history) - len(got) :], atol=1e-4)
        if self.exact:
            assert np.array_equal(got, self.model.open().extend(history, len(got)))

    def teardown(self) -> None:
        for sequence, history in getattr(self, "pairs", []):
            assert sequence.length == len(history)


@pytest.mark.parametrize("exact", [True, False])
def test_any_order_of_calls_gives_the_rows_of_the_tokens(load: Load, exact: bool) -> None:
    model = load(DECODER, prefill_chunk=4, exact=exact)
    machine = type("Machine", (AnyOrder,), {"model": model, "exact": exact})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=40, deadline=None, stateful_step_count=30)
    )


def test_forking_copies_no_cache(load: Load) -> None:
    sequence = load(DECODER).open()
    sequence.extend([1, 2, 3])
    copies = sequence.fork(3)
    for copy in copies:
        assert isinstance(copy, GrowingSequence)
        assert copy.cache is sequence.cache


def test_many_are_all_read_or_none(load: Load) -> None:
    model = load(DECODER)
    one, two = model.open(), model.open()
    with pytest.raises(ModelError):
        model.extend_many([one, two], [[1, 2], [DECODER.vocab_size]], [1, 1])
    assert (one.length, two.length, model.forwards) == (0, 0, 0)
    with pytest.raises(ValueError, match="twice"):
        model.extend_many([one, one], [[1], [2]], [1, 1])
    with pytest.raises(ValueError, match="belong"):
        model.extend_many([load(DECODER).open()], [[1]], [1])
    with pytest.raises(ValueError, match="shorter"):
        model.extend_many([one, two], [[1]], [1, 1])


def test_a_pass_that_fails_leaves_the_sequence_as_it_was(tmp_path: Path) -> None:
    """The graph's position table ends at 24, which nobody told the backend."""
    files = ModelFiles(DECODER.save(tmp_path / "model.onnx"), DECODER.vocab_size, context_limit=None)
    model = OnnxRuntimeBackend(prefill_chunk=4).load(files)
    sequence = model.open()
    sequence.extend([1, 2, 3])
    with pytest.raises(ModelError, match="failed to read 4 tokens after 23") as raised:
        sequence.extend([4] * 30)
    assert "\n" not in str(raised.value)
    assert sequence.length == 3
    np.testing.assert_allclose(sequence.extend([5, 6], 2), DECODER.rows([1, 2, 3, 5, 6])[-2:], atol=1e-4)


def test_token_ids_may_be_numpy_integers_but_no_fractions(load: Load) -> None:
    model = load(DECODER)
    rows = model.open().extend(list(np.array([3, 4], np.int32)))
    np.testing.assert_allclose(rows, DECODER.rows([3, 4])[-1:], atol=1e-4)
    with pytest.raises(TypeError):
        model.open().extend([3.5])  # type: ignore[list-item]


def test_threads_may_share_a_model(load: Load) -> None:
    model = load(DECODER, prefill_chunk=4)
    texts = [[(seed * step + step) % DECODER.vocab_size for step in range(20)] for seed in range(8)]

    def read(text: list[int]) -> np.ndarray:
        sequence = model.open()
        return np.concatenate([sequence.extend([token]) for token in text])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(read, texts))
    assert model.forwards == 8 * 20
    for text, rows in zip(texts, answers, strict=True):
        np.testing.assert_allclose(rows, DECODER.rows(text), atol=1e-4)
