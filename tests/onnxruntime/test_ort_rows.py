"""Rows of synthetic graphs against their formula, and however reading is cut."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto

from baco_core.errors import ContextError
from baco_core.testing.models import check_model
from baco_onnxruntime.model import MAX_LOGITS_BYTES
from tests.graphs import Decoder
from tests.onnxruntime.conftest import Load

TOKENS = [int(token) for token in np.random.default_rng(7).integers(0, 97, 40)]

VARIANTS = {
    "plain": Decoder(),
    "one layer": Decoder(layers=1),
    "four layers": Decoder(layers=4),
    "one head": Decoder(heads=1),
    "without position_ids": Decoder(position_ids=False),
    "length before heads": Decoder(length_axis=1),
    "rows asked for": Decoder(row_count="num_logits_to_keep"),
    "rows asked for by the newer name": Decoder(row_count="logits_to_keep"),
    "float16 cache": Decoder(cache_dtype=TensorProto.FLOAT16),
    "float16 logits": Decoder(logits_dtype=TensorProto.FLOAT16),
}


@pytest.fixture(params=list(VARIANTS))
def decoder(request: pytest.FixtureRequest) -> Decoder:
    return VARIANTS[request.param]


def test_rows_follow_the_formula(decoder: Decoder, load: Load) -> None:
    rows = load(decoder).open().extend(TOKENS, len(TOKENS))
    half = TensorProto.FLOAT16 in (decoder.cache_dtype, decoder.logits_dtype)
    np.testing.assert_allclose(rows, decoder.rows(TOKENS), atol=0.02 if half else 1e-4)


def test_exact_models_keep_the_contract_to_the_bit(decoder: Decoder, load: Load) -> None:
    check_model(load(decoder, prefill_chunk=4), tolerance=0)


def test_other_models_keep_it_up_to_rounding(decoder: Decoder, load: Load) -> None:
    half = TensorProto.FLOAT16 in (decoder.cache_dtype, decoder.logits_dtype)
    check_model(load(decoder, prefill_chunk=4, exact=False), tolerance=1e-3 if half else 1e-5)


def test_a_single_token_rounds_differently_unless_exact(load: Load) -> None:
    """Guards the tests above: were there no difference to remove, they would prove nothing."""
    model = load(Decoder(), exact=False)
    sequence = model.open()
    singles = np.concatenate([sequence.extend([token]) for token in TOKENS])
    assert 0 < np.abs(singles - model.open().extend(TOKENS, len(TOKENS))).max() < 1e-4


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("chunk", [2, 3, 4, 39, 40, 41])
def test_long_input_is_read_in_chunks(load: Load, chunk: int, exact: bool) -> None:
    model = load(Decoder(), prefill_chunk=chunk, exact=exact)
    rows = model.open().extend(TOKENS, 7)
    np.testing.assert_allclose(rows, Decoder().rows(TOKENS)[-7:], atol=1e-4)
    assert model.forwards == -(-len(TOKENS) // chunk)


def test_the_logits_of_a_chunk_are_bounded(load: Load) -> None:
    wide = Decoder(vocab_size=262_144, layers=1, heads=1, head_size=2)
    model = load(wide)
    assert model.chunk == 64
    assert model.chunk * model.vocab_size * 4 <= MAX_LOGITS_BYTES
    assert load(Decoder()).chunk == 256


def test_the_last_place_of_a_context_is_read_exactly(load: Load) -> None:
    """There is no room for a dummy behind it: the position table of the graph ends there."""
    decoder = Decoder(max_length=len(TOKENS))
    model = load(decoder)
    whole = model.open().extend(TOKENS)
    for rewound in (False, True):
        sequence = model.open()
        sequence.extend(TOKENS[:-1] + TOKENS[:1] * rewound)
        sequence.rewind(len(TOKENS) - 1)
        assert np.array_equal(sequence.extend(TOKENS[-1:]), whole)
        with pytest.raises(ContextError, match="shorten the prompt"):
            sequence.extend([1])


WIDE = Decoder(heads=1, head_size=520, max_length=70)


@pytest.mark.parametrize(("exact", "passes"), [(True, 4), (False, 1)])
def test_no_pass_crosses_a_length_where_kernels_round_anew(load: Load, exact: bool, passes: int) -> None:
    """16, 32 and 64 tokens, for heads wider than 512."""
    model = load(WIDE, exact=exact)
    tokens = (TOKENS * 2)[:70]
    rows = model.open().extend(tokens, 70)
    assert model.forwards == passes
    np.testing.assert_allclose(rows, WIDE.rows(tokens), atol=1e-3)


@pytest.mark.parametrize("before", [15, 16, 17, 31, 63, 64, 65])
def test_single_tokens_around_such_a_length_are_read_exactly(load: Load, before: int) -> None:
    model = load(WIDE)
    tokens = (TOKENS * 2)[:70]
    whole = model.open().extend(tokens, 70)
    for wanted in (0, 1):
        sequence = model.open()
        sequence.extend(tokens[:before])
        sequence.extend(tokens[before : before + 1], wanted)
        assert np.array_equal(sequence.extend(tokens[before + 1 :]), whole[-1:])


def test_a_context_of_one_token_can_be_read(load: Load) -> None:
    model = load(Decoder(max_length=1))
    np.testing.assert_allclose(model.open().extend([5]), Decoder(max_length=1).rows([5]), atol=1e-4)


def test_a_lone_token_costs_one_pass_and_none_when_its_row_is_not_wanted(load: Load) -> None:
    model = load(Decoder())
    sequence = model.open()
    sequence.extend(TOKENS[:1], rows=0)
    assert (sequence.length, model.forwards) == (1, 0)
    rows = sequence.extend(TOKENS[1:2])
    assert model.forwards == 1
    sequence.extend(TOKENS[2:3])
    assert model.forwards == 2
    np.testing.assert_allclose(rows, Decoder().rows(TOKENS[:2])[1:], atol=1e-4)
