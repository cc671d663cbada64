"""Fused graphs: rows against their formula, in slots, across growing buffers, within a budget."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baco_core.bundle import ModelFiles
from baco_core.errors import ContextError, ModelError
from baco_core.testing.models import check_model
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.fused import FusedModel
from baco_onnxruntime.model import OnnxModel
from tests.fused_graphs import FusedDecoder, Precision
from tests.graphs import Decoder
from tests.onnxruntime.any_order import run_any_order
from tests.onnxruntime.conftest import Load, files_of

TOKENS = [int(token) for token in np.random.default_rng(7).integers(0, 97, 300)]
VARIANTS = {
    "one slot": FusedDecoder(),
    "one slot that can be padded": FusedDecoder(pads=True),
    "two slots": FusedDecoder(slots=2),
    "four slots": FusedDecoder(slots=4),
    "one head of each kind": FusedDecoder(slots=2, heads=1, kv_heads=1, head_size=64),
    "a sliding window": FusedDecoder(slots=2, window=20),
    "a batch": FusedDecoder(batched=True),
    "a batch with a sliding window": FusedDecoder(batched=True, window=20),
    "a batch in 4 bits": FusedDecoder(batched=True, precision="int4", head_size=32),
    "half precision": FusedDecoder(slots=2, precision="fp16"),
    "4 bits": FusedDecoder(slots=4, precision="int4", head_size=32),
    "8 bits": FusedDecoder(slots=2, precision="int8", head_size=32),
    "wide heads": FusedDecoder(slots=2, layers=1, heads=2, kv_heads=1, head_size=256, max_length=200),
}
ROUNDED = {"fp32": 1e-4, "fp16": 0.05, "int4": 8.0, "int8": 1.0}
ROOMY = FusedDecoder(layers=2, heads=4, kv_heads=4, head_size=64, max_length=600)
"""4096 bytes a position: a buffer of 128 positions is half a MiB."""


@pytest.fixture(params=list(VARIANTS))
def decoder(request: pytest.FixtureRequest) -> FusedDecoder:
    return VARIANTS[request.param]


def test_rows_follow_the_formula(decoder: FusedDecoder, load: Load) -> None:
    tokens = TOKENS[: decoder.max_length]
    rows = load(decoder).open().extend(tokens, len(tokens))
    np.testing.assert_allclose(rows, decoder.rows(tokens), atol=ROUNDED[decoder.precision])


@pytest.mark.parametrize("chunk", [4, 256])
def test_fused_models_keep_the_contract_to_the_bit(decoder: FusedDecoder, chunk: int, load: Load) -> None:
    check_model(load(decoder, prefill_chunk=chunk), tolerance=0)


@pytest.mark.parametrize("chunk", [4, 256])
def test_models_that_read_singly_keep_the_contract_to_the_bit(
    decoder: FusedDecoder, chunk: int, load: Load
) -> None:
    model = load(decoder, prefill_chunk=chunk, singly=True)
    check_model(model, tolerance=0)
    assert model.exact


@pytest.mark.parametrize("slots", [0, 1, 2, 4])
@pytest.mark.parametrize("precision", ["fp32", "int4", "fp16"])
def test_behind_a_context_rows_are_those_of_single_tokens(
    load: Load, slots: int, precision: Precision
) -> None:
    """However contexts were cut, whatever was guessed and rewound, beside whomever; 0 slots: a batch."""
    decoder = FusedDecoder(
        slots=max(slots, 1), batched=not slots, layers=2, precision=precision, head_size=64, max_length=300
    )
    model = load(decoder, singly=True)
    contexts = [TOKENS[:150], TOKENS[50:53], TOKENS[90:220]]
    text = TOKENS[220:240]
    wanted = []
    for context in contexts:
        lone = model.open()
        lone.prefill(context)
        wanted.append(np.concatenate([lone.extend([token]) for token in text]))
    assert model.exact
    rng = np.random.default_rng(slots)
    sequences = [model.open() for _ in contexts]
    for sequence, context in zip(sequences, contexts, strict=True):
        while sequence.length < len(context):
            sequence.prefill(context[sequence.length :][: int(rng.choice([1, 2, 7, 60]))])
        sequence.extend(text[::-1][: int(rng.integers(1, 5))])
        sequence.rewind(len(context))
    done = [0, 0, 0]
    while min(done) < len(text):
        counts = [min(int(rng.choice([0, 1, 1, 3])), len(text) - at) for at in done]
        chosen = [which for which, count in enumerate(counts) if count]
        pieces = [text[done[which] :][: counts[which]] for which in chosen]
        answers = model.extend_many([sequences[which] for which in chosen], pieces, list(map(len, pieces)))
        for which, piece, got in zip(chosen, pieces, answers, strict=True):
            assert np.array_equal(got, wanted[which][done[which] : done[which] + len(piece)])
            done[which] += len(piece)


def beside(load: Load, **options: object) -> OnnxModel:
    """A model whose graph reads a batch."""
    decoder = FusedDecoder(batched=True, layers=1, heads=2, kv_heads=1, head_size=64, max_length=600)
    return load(decoder, singly=True, **options)


def test_any_number_of_sequences_shares_a_pass(load: Load) -> None:
    model = beside(load)
    sequences = [model.open() for _ in range(19)]
    for at, one in enumerate(sequences):
        one.prefill(TOKENS[: 1 + 3 * at])
    before = model.forwards
    model.extend_many(sequences, [[5]] * 19, [1] * 19)
    assert model.forwards == before + 1


def test_seats_grow_move_and_are_left_without_a_trace(load: Load) -> None:
    """Long texts beside short ones, which end, fork, rewind and read contexts again."""
    model = beside(load)
    rng = np.random.default_rng(3)
    live = [(model.open(), 0) for _ in range(3)]
    for one, _ in live:
        one.prefill(TOKENS[:4])
    kept, longest = [(one, 4) for one, _ in live], 0
    for step in range(160):
        which = int(rng.integers(len(kept)))
        one, length = kept[which]
        longest = max(longest, length)
        match int(rng.integers(14)):
            case 0 if len(kept) < 6:
                kept.append((one.fork(1)[0], length))
            case 1 if len(kept) > 2:
                del kept[which], one
            case 2:
                one.rewind(4)
                kept[which] = one, 4
            case 3 if one.length == 4:
                one.rewind(0)
                one.prefill(TOKENS[:4])
            case _:
                chosen = [pair for pair in kept if rng.random() < 0.7 and pair[1] < 250]
                pieces = [TOKENS[at : at + int(rng.integers(1, 40))] for _, at in chosen]
                answers = model.extend_many([one for one, _ in chosen], pieces, list(map(len, pieces)))
                for (one, at), piece, got in zip(chosen, pieces, answers, strict=True):
                    fresh = model.open()
                    fresh.prefill(TOKENS[:4])
                    wanted = fresh.extend(TOKENS[4 : at + len(piece)], len(piece))
                    assert np.array_equal(got, wanted), f"step {step}"
                    kept[kept.index((one, at))] = one, at + len(piece)
    assert longest > 128, "buffers grew"


def test_a_context_is_read_where_its_seat_is_now(load: Load) -> None:
    """A block that grows moves its seats, and what reads contexts must follow."""
    model = beside(load)
    one = model.open()
    one.prefill(TOKENS[:9])
    one.extend([1])
    one.prefill(TOKENS[9:12])
    others = [model.open() for _ in range(5)]
    for other in others:
        other.prefill(TOKENS[:4])
    model.extend_many(others, [[2]] * 5, [1] * 5)
    one.rewind(9)
    one.prefill(TOKENS[9:20])
    fresh = model.open()
    fresh.prefill(TOKENS[:20])
    assert np.array_equal(one.extend([3]), fresh.extend([3]))


def test_stragglers_move_together(load: Load) -> None:
    model = beside(load)
    sequences = [model.open() for _ in range(12)]
    for at, one in enumerate(sequences):
        one.prefill(TOKENS[at : at + 4])
    model.extend_many(sequences, [[7]] * 12, [1] * 12)
    kept = [sequences[2], sequences[11]]
    del sequences, one
    gc.collect()
    rows = model.extend_many(kept, [[8], [9]], [1, 1])
    for start, token, got in ((2, 8, rows[0]), (11, 9, rows[1])):
        fresh = model.open()
        fresh.prefill(TOKENS[start : start + 4])
        assert np.array_equal(fresh.extend([7, token]), got)


def test_long_texts_leave_nothing_behind(load: Load) -> None:
    """Who reads with and without rows in turns keeps no array of each pass."""
    model = beside(load)
    one = model.open()
    one.prefill(TOKENS[:4])
    one.extend([1])
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        one.extend([1, 2], rows=1)
        one.rewind(5)
        one.extend([1], rows=0)
        one.rewind(5)
    gc.collect()
    assert len(gc.get_objects()) < before + 100


def test_seats_count_against_the_budget(load: Load) -> None:
    model = beside(load, cache_memory_mib=1)
    sequences = [model.open() for _ in range(9)]
    for one in sequences[:2]:
        one.prefill(TOKENS[:100])
    model.extend_many(sequences[:2], [[1], [2]], [1, 1])
    lengths = [one.length for one in sequences]
    with pytest.raises(ModelError, match="cache_memory_mib allows 1 MiB"):
        model.extend_many(sequences, [TOKENS[:200]] * 9, [1] * 9)
    assert [one.length for one in sequences] == lengths
    assert sequences[0].extend([3]).shape == (1, 97)


def test_a_graph_for_a_batch_is_opened_where_texts_are_read_singly(tmp_path: Path) -> None:
    decoder = FusedDecoder(layers=1)
    single, many = decoder.save(tmp_path / "model.onnx"), decoder.save_slots(tmp_path, 2)
    batch = replace(decoder, batched=True).save(tmp_path / "model.batch.onnx")
    files = ModelFiles(single, 97, 64, slots=many, batch=batch, together=2)
    names = [
        OnnxRuntimeBackend(exact=exact).load(replace(files, singly=singly)).session.path.name
        for exact, singly in ((True, True), (True, False), (False, True))
    ]
    assert names == ["model.batch.onnx", "model.slots2.onnx", "model.slots2.onnx"]


def test_reading_singly_needs_one_row_where_several_would_be_padded(load: Load) -> None:
    """A wrong use shows: what was written is no context, and the two round differently."""
    decoder = FusedDecoder(layers=2, head_size=64, heads=4, kv_heads=2, max_length=300)
    model = load(decoder, singly=True)
    one, other = model.open(), model.open()
    one.prefill(TOKENS[:200])
    other.extend(TOKENS[:200])
    assert other.forwards == 200
    np.testing.assert_allclose(one.extend([5]), other.extend([5]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("slots", [1, 4])
def test_without_care_they_keep_it_up_to_rounding(slots: int, load: Load) -> None:
    model = load(FusedDecoder(slots=slots), exact=False)
    check_model(model, tolerance=1e-5)
    assert not model.exact


@pytest.mark.parametrize(
    ("slots", "pads", "exact"),
    [(1, False, True), (1, True, True), (2, False, True), (3, True, True), (3, True, False)],
)
def test_any_order_of_calls_gives_the_rows_of_the_tokens(
    load: Load, slots: int, pads: bool, exact: bool
) -> None:
    decoder = FusedDecoder(slots=slots, pads=pads, layers=1, max_length=24)
    assert run_any_order(load(decoder, prefill_chunk=5, exact=exact), decoder, exact) > 100


@pytest.mark.parametrize("head_size", [16, 64, 160, 256, 272, 528])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_do_not_depend_on_how_reading_was_cut(load: Load, head_size: int, threads: int) -> None:
    """Across the lengths where kernels for wide heads round anew, and with chunks as large as they get."""
    decoder = FusedDecoder(layers=1, heads=2, kv_heads=1, head_size=head_size, max_length=300)
    model = load(decoder, intra_op_threads=threads)
    whole = model.open().extend(TOKENS, 300)
    rng = np.random.default_rng(5)
    for sizes in ([1, 2, 3, 5, 40], [1, 64, 90], [129, 2]):
        sequence, rows = model.open(), []
        while left := 300 - sequence.length:
            piece = TOKENS[sequence.length :][: min(int(rng.choice(sizes)), left)]
            rows.append(sequence.extend(piece, len(piece)))
        assert np.array_equal(np.concatenate(rows), whole), f"pieces of {sizes}"


@pytest.mark.parametrize("head_size", [64, 256, 272])
@pytest.mark.parametrize("precision", ["fp32", "int4"])
def test_rows_do_not_depend_on_the_company(load: Load, head_size: int, precision: Precision) -> None:
    """Three sequences in two slots, cut in every way, far beyond the lengths where kernels round anew."""
    decoder = FusedDecoder(
        slots=2, layers=1, heads=2, kv_heads=1, head_size=head_size, max_length=300, precision=precision
    )
    model = load(decoder)
    texts = [TOKENS, TOKENS[::-1], TOKENS[150:] + TOKENS[:150]]
    wanted = [model.open().extend(text, 300) for text in texts]
    assert model.exact
    rng = np.random.default_rng(head_size)
    sequences = [model.open() for _ in texts]
    for _ in range(150):
        calls = []
        for one, text, rows in zip(sequences, texts, wanted, strict=True):
            start = one.length
            piece = text[start : start + int(rng.choice([0, 0, 1, 1, 2, 3, 9, 90]))]
            calls += [(one, piece, rows[start : start + len(piece)])] if piece else []
        answers = model.extend_many(
            [one for one, _, _ in calls],
            [piece for _, piece, _ in calls],
            [len(piece) for _, piece, _ in calls],
        )
        for (_, _, rows), got in zip(calls, answers, strict=True):
            assert np.array_equal(got, rows)
        full = sequences[rng.integers(3)]
        if full.length > 200:
            full.rewind(int(rng.integers(full.length)))


def test_a_lone_token_is_one_pass_and_is_never_read_again(load: Load) -> None:
    model = load(FusedDecoder())
    sequence = model.open()
    for token in TOKENS[:10]:
        sequence.extend([token], rows=0)
    assert (sequence.length, sequence.forwards, model.forwards) == (10, 10, 10)


@pytest.mark.parametrize("slots", [1, 2])
def test_a_context_can_be_filled_to_its_last_place(load: Load, slots: int) -> None:
    decoder = FusedDecoder(slots=slots, max_length=9)
    model = load(decoder)
    whole = model.open().extend(TOKENS[:9])
    sequence = model.open()
    sequence.extend(TOKENS[:8])
    assert np.array_equal(sequence.extend(TOKENS[8:9]), whole)
    with pytest.raises(ContextError, match="shorten the prompt"):
        sequence.extend([1])


def slotted(folder: Path, decoder: FusedDecoder, *slots: int) -> Callable[[int], ModelFiles]:
    """Write a decoder with these numbers of slots; return what loads it for so many together."""
    path, others = decoder.save(folder / "model.onnx"), decoder.save_slots(folder, *slots)
    return lambda together: ModelFiles(
        path, decoder.vocab_size, decoder.max_length, slots=others, together=together
    )


def test_the_graph_with_the_fewest_slots_that_suffice_is_opened(tmp_path: Path) -> None:
    files, backend = slotted(tmp_path, FusedDecoder(layers=1), 2, 4), OnnxRuntimeBackend()
    models = [backend.load(files(together)) for together in (1, 2, 3, 4, 9)]
    assert [model.graph.slots for model in models if isinstance(model, FusedModel)] == [2, 2, 4, 4, 4]
    assert models[0] is models[1]
    assert models[2] is models[3] is models[4]
    careless = OnnxRuntimeBackend(exact=False).load(files(1))
    assert isinstance(careless, FusedModel)
    assert careless.graph.slots == 1


def test_sequences_share_a_pass_as_far_as_slots_go(load: Load) -> None:
    model = load(FusedDecoder(slots=4), prefill_chunk=30)
    sequences = [model.open() for _ in range(6)]
    model.extend_many(sequences[:4], [TOKENS[:5]] * 4, [1] * 4)
    assert model.forwards == 1
    model.extend_many(sequences, [[at] for at in range(6)], [1] * 6)
    assert model.forwards == 3
    assert [one.forwards for one in sequences] == [2, 2, 2, 2, 1, 1]
    long = model.open()
    model.extend_many([long, *sequences[:3]], [TOKENS[:50], [1], [2], [3]], [1] * 4)
    assert model.forwards == 5, "the long one is read beside the short ones, then alone"
    assert (long.forwards, sequences[0].forwards) == (2, 3)
    np.testing.assert_allclose(
        long.extend([9], 1), FusedDecoder().rows([*TOKENS[:50], 9])[-1:], atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("slots", [1, 3])
def test_buffers_grow_in_buckets(load: Load, slots: int) -> None:
    decoder = FusedDecoder(slots=slots, layers=1, max_length=300)
    model = load(decoder)
    sequence = model.open()
    capacities, rows = [], []
    for piece in (TOKENS[:100], TOKENS[100:127], TOKENS[127:128], TOKENS[128:300]):
        rows.append(sequence.extend(piece, len(piece)))
        capacities.append(sequence.capacity)  # type: ignore[attr-defined]
    assert capacities == [128, 128, 256, 301]
    assert np.array_equal(np.concatenate(rows), model.open().extend(TOKENS, 300))


def test_a_fork_copies_what_is_valid_and_shares_nothing(load: Load) -> None:
    model = load(ROOMY)
    sequence = model.open()
    sequence.extend(TOKENS)
    sequence.rewind(20)
    (copy,) = sequence.fork(1)
    mine, its = sequence.buffer, copy.buffer  # type: ignore[attr-defined]
    assert (mine.capacity, its.capacity) == (512, 128)
    assert not np.shares_memory(mine.blocks[0], its.blocks[0])
    assert np.array_equal(mine.blocks[0][..., :20, :], its.blocks[0][..., :20, :])
    assert not its.blocks[0][..., 20:, :].any()


def test_a_slot_lets_go_of_a_sequence_that_is_gone(load: Load) -> None:
    model = load(FusedDecoder(slots=2))
    one, two = model.open(), model.open()
    model.extend_many([one, two], [[1, 2], [3, 4]], [1, 1])
    buffer = weakref.ref(two.buffer)  # type: ignore[attr-defined]
    del two
    gc.collect()
    one.extend([5])
    gc.collect()
    assert buffer() is None


def test_the_budget_refuses_before_any_work(load: Load) -> None:
    for slots in (1, 2):
        model = load(FusedDecoder(**{**vars(ROOMY), "slots": slots}), cache_memory_mib=1)
        one, two, three = (model.open() for _ in range(3))
        model.extend_many([one, two], [[1, 2], [3, 4]], [1, 1])
        for refused in (
            lambda: three.extend([5]),  # noqa: B023
            lambda: one.fork(1),  # noqa: B023
            lambda: one.extend(TOKENS[:200]),  # noqa: B023
            lambda: model.extend_many([one, three], [[1], [1]], [1, 1]),  # noqa: B023
        ):
            with pytest.raises(ModelError, match=r"cache_memory_mib allows 1 MiB; raise it") as raised:
                refused()
            assert "\n" not in str(raised.value)
        assert (one.length, three.length, model.forwards) == (2, 0, one.forwards if slots == 2 else 2)
        del two
        gc.collect()
        three.extend([5])
        assert three.length == 1


def test_the_budget_holds_for_growing_caches_too(load: Load) -> None:
    model = load(Decoder(heads=32, head_size=64, max_length=64), cache_memory_mib=1)  # 32 KiB a token
    sequence = model.open()
    with pytest.raises(ModelError, match=r"would need 1.25 MiB more beside 0 MiB in use"):
        sequence.extend(TOKENS[:40])
    assert (sequence.length, model.forwards) == (0, 0)
    sequence.extend(TOKENS[:10])
    assert model.memory()["cache"] == 10 * 32768


def test_memory_is_told_by_part(tmp_path: Path) -> None:
    path = Decoder(layers=1).save(tmp_path / "unfused.onnx", external_data=True)
    weights = sum(file.stat().st_size for file in tmp_path.iterdir())
    (tmp_path / "tokenizer.json").write_text("not the graph's")
    model = OnnxRuntimeBackend().load(files_of(path, Decoder()))
    assert model.memory() == {"weights": weights, "cache": 0, "cache_in_use": 0, "sequences": 0}
    model = OnnxRuntimeBackend().load(files_of(ROOMY.save(tmp_path / "fused.onnx"), ROOMY))
    sequence, _ = model.open(), model.open()
    sequence.extend(TOKENS[:10])
    found = model.memory()
    assert (found["cache"], found["cache_in_use"]) == (128 * 4096, 10 * 4096)
    assert model.runtime_seconds > 0


@pytest.mark.parametrize("slots", [1, 4])
def test_threads_may_share_a_model(load: Load, slots: int) -> None:
    decoder = FusedDecoder(slots=slots)
    model = load(decoder, prefill_chunk=4)
    texts = [[(seed * step + step) % decoder.vocab_size for step in range(20)] for seed in range(8)]

    def read(text: list[int]) -> np.ndarray:
        sequence = model.open()
        return np.concatenate([sequence.extend([token]) for token in text])

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(read, texts))
    assert model.forwards == 8 * 20
    for text, rows in zip(texts, answers, strict=True):
        assert np.array_equal(rows, model.open().extend(text, 20))


def test_a_pass_that_fails_leaves_all_as_they_were(tmp_path: Path) -> None:
    """The rotary tables end at 25, which nobody told the backend."""
    decoder = FusedDecoder(slots=2, max_length=24)
    files = ModelFiles(decoder.save(tmp_path / "model.onnx"), decoder.vocab_size, context_limit=None)
    model: OnnxModel = OnnxRuntimeBackend(prefill_chunk=4).load(files)
    one, two = model.open(), model.open()
    model.extend_many([one, two], [[1, 2, 3], [4, 5]], [1, 1])
    with pytest.raises(ModelError, match="failed to read") as raised:
        model.extend_many([one, two], [[4] * 30, [6]], [1, 1])
    assert "\n" not in str(raised.value)
    assert (one.length, two.length) == (3, 2)
    for sequence, history in ((one, [1, 2, 3]), (two, [4, 5])):
        rows = sequence.extend([7, 8], 2)
        assert np.array_equal(rows, model.open().extend([*history, 7, 8], 2))
