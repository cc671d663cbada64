"""Sequences in any order of reading, rewinding and forking, alone, together and in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from baco_core.bundle import ModelFiles
from baco_core.errors import ModelError
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.growing import GrowingSequence
from tests.graphs import Decoder
from tests.onnxruntime.any_order import run_any_order
from tests.onnxruntime.conftest import Load

DECODER = Decoder(max_length=24)


@pytest.mark.parametrize("exact", [True, False])
def test_any_order_of_calls_gives_the_rows_of_the_tokens(load: Load, exact: bool) -> None:
    assert run_any_order(load(DECODER, prefill_chunk=4, exact=exact), DECODER, exact) > 100


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
