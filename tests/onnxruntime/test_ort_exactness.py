"""Whether rows are exact is tried, and the verdict is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from baco_core.paths import CACHE_VARIABLE, cache_folder
from baco_core.testing.models import check_model
from baco_onnxruntime import exactness
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.rounding import Rounding, of_grouped_attention, of_products
from tests.fused_graphs import FusedDecoder
from tests.graphs import Decoder
from tests.onnxruntime.conftest import AnyDecoder, Load, files_of

EXACT: dict[str, AnyDecoder] = {
    "as exported": Decoder(),
    "fused": FusedDecoder(),
    "fused, in slots": FusedDecoder(slots=4),
    "4 bits in blocks of 32": FusedDecoder(slots=2, precision="int4", head_size=32),
    "8 bits in blocks of 32": FusedDecoder(precision="int8", head_size=32),
}
INEXACT: dict[str, AnyDecoder] = {
    "4 bits in blocks of 128": FusedDecoder(precision="int4", block=128, head_size=32),
    "8 bits, scaled by what is read": FusedDecoder(slots=2, precision="dynamic"),
}


@pytest.mark.parametrize("name", EXACT)
def test_these_are_exact(load: Load, name: str) -> None:
    model = load(EXACT[name])
    assert model.exact
    assert model.forwards == 0, "what the probe reads counts for nobody"
    assert model.runtime_seconds == 0


@pytest.mark.parametrize("slots", [1, 2])
def test_only_attention_needs_a_second_row_where_weights_are_constant(load: Load, slots: int) -> None:
    model = load(FusedDecoder(slots=slots, pads=True, precision="int4", head_size=32))
    assert model.fewest == 2, "until it is known better"
    assert model.exact
    assert model.fewest == 1
    check_model(model, tolerance=0)
    as_exported = load(Decoder())
    assert as_exported.exact
    assert as_exported.fewest == 2


@pytest.mark.parametrize("name", INEXACT)
def test_these_are_not(load: Load, name: str) -> None:
    assert not load(INEXACT[name]).exact


def test_without_care_nothing_is_called_exact(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactness, "probe", pytest.fail)
    assert not load(FusedDecoder(), exact=False).exact


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return FusedDecoder().save(tmp_path / "model.onnx")


def verdicts() -> list[Path]:
    return list((cache_folder() / "exactness").iterdir())


def asked_again(path: Path, monkeypatch: pytest.MonkeyPatch, **options: int) -> bool:
    """Load the graph anew and ask; return whether it was probed again."""
    probed = []
    with monkeypatch.context() as patch:
        patch.setattr(exactness, "probe", lambda model: probed.append(model) or 1)
        assert OnnxRuntimeBackend(**options).load(files_of(path, FusedDecoder())).exact
    return bool(probed)


def test_a_verdict_is_kept_for_the_graph_the_options_and_the_runtime(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OnnxRuntimeBackend().load(files_of(path, FusedDecoder())).exact
    assert len(verdicts()) == 1
    assert not asked_again(path, monkeypatch)
    assert asked_again(path, monkeypatch, intra_op_threads=3)
    FusedDecoder(seed=1).save(path)
    os.utime(path, (1, 1))
    assert asked_again(path, monkeypatch)


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b'{"fewest": 0, "about": {}}'])
def test_a_verdict_that_cannot_be_read_is_found_anew(
    path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OnnxRuntimeBackend().load(files_of(path, FusedDecoder())).exact
    (kept,) = verdicts()
    kept.write_bytes(content)
    assert asked_again(path, monkeypatch)
    assert not asked_again(path, monkeypatch)


def test_a_cache_folder_that_cannot_be_written_is_no_reason_to_fail(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    assert OnnxRuntimeBackend().load(files_of(path, FusedDecoder())).exact


def test_borders_return_with_every_block_of_keys() -> None:
    rounding = Rounding(lengths=(64, 1000), offsets=(64,), keys=128, chunk=128)
    starts = (0, 63, 64, 191, 192, 900, 990, 1000)
    assert [rounding.border(start) for start in starts] == [64, 64, 192, 192, 320, 960, 1000, 1088]
    assert Rounding().border(5) is None
    assert Rounding(lengths=(9,)).border(9) is None


def test_only_wide_heads_have_borders_besides_the_context() -> None:
    assert of_products(128, None) == Rounding()
    assert of_products(272, 500).lengths == (32, 64, 500)
    assert of_grouped_attention(128, 500).lengths == (500,)
    assert of_grouped_attention(128, 500).offsets == ()
    assert 64 in of_grouped_attention(256, None).lengths
    assert of_grouped_attention(32, None).chunk == 64
