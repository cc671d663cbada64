from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.made_models import model_folder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx_ir", reason="quantising needs the extra 'export'")

import numpy as np  # noqa: E402  (after the skips)

from baco_core.bundle import Bundle, MemberRecord, QualityRecord, read_bundle  # noqa: E402
from baco_core.errors import BundleError, ConfigError, ExportError  # noqa: E402
from baco_exporters import quality  # noqa: E402
from baco_exporters.bundle import Order, export_bundle  # noqa: E402
from baco_exporters.parity import Reference  # noqa: E402
from baco_exporters.progress import quiet  # noqa: E402
from baco_exporters.quality import check_quality, held_out_text, measure_quality  # noqa: E402
from baco_exporters.quantise import quantise  # noqa: E402
from baco_exporters.reader import GraphReader, open_session  # noqa: E402
from baco_exporters.recipe import SLOTS, Recipe  # noqa: E402
from baco_exporters.slots_check import check_slots  # noqa: E402
from baco_exporters.weights_file import load_bare, save_model  # noqa: E402

INT4 = Recipe("int4")


def export(order: Order, folder: Path) -> Bundle:
    with quiet(folder / "noise.log") as progress:
        export_bundle(order, progress)
    return read_bundle(order.out)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a tied head whose attention can be fused."""
    return model_folder(tmp_path_factory.mktemp("sources") / "llama", hidden_size=64, head_dim=16)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, llama: Path) -> Bundle:
    """One source, seen twice, in int4."""
    out = tmp_path_factory.mktemp("bundles") / "views"
    return export(Order({"base": str(llama), "aligned": str(llama)}, out, INT4), out.parent)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory, llama: Path) -> Bundle:
    """The same source in fp32."""
    out = tmp_path_factory.mktemp("bundles") / "single"
    return export(Order({"model": str(llama)}, out), out.parent)


def test_the_manifest_says_what_was_made(views: Bundle) -> None:
    record = views.member("aligned")
    assert record.precision == "int4"
    assert record.kv.layout == "shared"
    assert record.fusion is not None
    assert record.fusion.reason == ""
    assert record.fusion.operators_after["GroupQueryAttention"] == 2
    assert sum(record.fusion.operators_after.values()) < sum(record.fusion.operators_before.values()) / 5
    assert record.parity is not None
    assert record.parity.whole < 1e-4  # of the fp32 graph


def test_what_quantising_cost_is_on_record(views: Bundle) -> None:
    found = views.member("aligned").quality
    assert found is not None
    assert (found.bits, found.block_size, found.accuracy_level) == (
        {"body": 4, "head": 4, "embedding": 4},
        32,
        4,
    )
    assert found.tokens > 5000  # one a byte
    assert 0 < found.kl < 0.5
    assert 0.5 < found.top1_agreement < 1
    assert 0.5 < found.perplexity / found.perplexity_fp32 < 1.5


def test_graphs_for_several_sequences_lie_in_the_bundle_and_share_the_weights(views: Bundle) -> None:
    views.verify()
    assert sorted(map(int, views.member("base").slots)) == list(SLOTS)
    assert {path for path in views.manifest.files if path.endswith((".onnx", ".data"))} == {
        "model/model.onnx",
        "model/model.onnx.data",
        "model/model.batch.onnx",
        *(f"model/model.slots{count}.onnx" for count in SLOTS),
    }
    batch = views.member("base").batch
    assert batch == "model/model.batch.onnx"
    for path in (views.path(path) for path in [batch, *views.member("base").slots.values()]):
        places = [places_of(tensor) for tensor in load_bare(path).graph.initializer if tensor.external_data]
        assert {place["location"] for place in places} == {"model.onnx.data"}


def places_of(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def test_both_views_are_the_same_files(views: Bundle) -> None:
    files = views.model_files("base")
    assert files == views.model_files("aligned")
    assert [count for count, _ in files.slots] == list(SLOTS)


def test_a_tied_table_is_in_the_file_once(views: Bundle) -> None:
    graph = load_bare(views.model_files("base").onnx).graph
    lookup = next(node for node in graph.node if node.op_type == "GatherBlockQuantized")
    head = next(node for node in graph.node if "logits" in node.output)
    places = {tensor.name: places_of(tensor) for tensor in graph.initializer}
    assert places[lookup.input[0]] == places[head.input[1]]
    assert places[lookup.input[2]] == places[head.input[2]]


def test_a_bundle_in_fp32_is_fused_too_and_has_no_quality_record(single: Bundle) -> None:
    record = single.member("model")
    assert (record.precision, record.kv.layout, record.quality) == ("fp32", "shared", None)
    assert len(record.slots) == len(SLOTS)


@pytest.mark.parametrize(
    "recipe",
    [Recipe("int8", fuse=False), Recipe("int4", head_precision="int8"), Recipe(compact=8), Recipe("fp16")],
)
def test_other_ways_to_store_the_same_model(
    tmp_path: Path, llama: Path, single: Bundle, recipe: Recipe
) -> None:
    record = export(Order({"model": str(llama)}, tmp_path / "out", recipe), tmp_path).member("model")
    assert record.precision == recipe.name
    assert record.fusion is not None
    assert record.fusion.reason == ("" if recipe.fuse else "fusing was not asked for")
    assert bool(record.slots) == (record.kv.layout == "shared") == recipe.fuse
    ids = list(range(40))
    rows = [
        dict(GraphReader(path).read(ids, [(0, 40)]))[0]
        for path in (tmp_path / "out" / record.model, single.model_files("model").onnx)
    ]
    assert 0 < np.abs(rows[0] - rows[1]).max() < 0.5 * np.abs(rows[1]).max()


def test_a_broken_quantisation_leaves_no_bundle(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "WORST_PERPLEXITY", 0.5)
    with pytest.raises(ExportError, match=r"model: quality failed in int4: perplexity .* \(allowed: 0\.5\)"):
        export(Order({"model": str(llama)}, tmp_path / "out", INT4), tmp_path)
    assert not (tmp_path / "out").exists()


GOOD = QualityRecord(tokens=9, kl=0.1, top1_agreement=0.9, perplexity=11.0, perplexity_fp32=10.0)


@pytest.mark.parametrize(
    "change", [{"perplexity": 21.0}, {"perplexity": float("nan")}, {"kl": 3.0}, {"kl": float("nan")}]
)
def test_figures_of_a_broken_graph_are_refused_in_one_line(change: dict[str, float]) -> None:
    check_quality(GOOD, "base", "int4")
    with pytest.raises(ExportError, match="base: quality failed in int4") as refused:
        check_quality(replace(GOOD, **change), "base", "int4")  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_a_graph_beside_itself_differs_in_nothing(single: Bundle) -> None:
    graph = GraphReader(single.model_files("model").onnx)
    found = measure_quality(graph, graph, lambda text: list(text[:500].encode()), [256])
    assert (found.kl, found.top1_agreement) == (0, 1)
    assert found.perplexity == found.perplexity_fp32
    assert found.tokens == 502  # two windows


def test_the_held_out_text_is_plain_and_some_pages_long() -> None:
    assert 5_000 < len(held_out_text()) < 20_000
    assert held_out_text().isascii()


@pytest.mark.parametrize("slots", [2, 4])
def test_a_graph_with_slots_that_is_another_model_is_found(
    tmp_path: Path, single: Bundle, slots: int
) -> None:
    files = single.model_files("model")
    found = [Reference("ids", tuple(range(1, 25)), np.zeros((1, 1), np.float32))]
    right = dict(files.slots)[slots]
    check_slots(files.onnx, right, slots, found, "model")
    graph = onnx.load(right)
    scale = next(
        tensor for tensor in graph.graph.initializer if len(tensor.dims) == 1 and tensor.dims[0] == 64
    )
    scale.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(scale) * 1.1, scale.name))
    save_model(graph, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match=r"slot \d of other\.onnx differs from a lone sequence by"):
        check_slots(files.onnx, tmp_path / "other.onnx", slots, found, "model")


# the quantiser alone


def small_graph(width: int = 64, rows: int = 48) -> Any:
    """ids → table → Gemm with a bias → MatMul with an input of the graph → head, untied."""
    rng = np.random.default_rng(0)
    shapes = {"table": (rows, width), "mix": (width, width), "adapter": (width, width), "head": (width, rows)}
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"bias": np.ones(width, np.float32)}
    make = onnx.helper
    nodes = [
        make.make_node("Gather", ["table", "ids"], ["x"]),
        make.make_node("Gemm", ["x", "mix", "bias"], ["y"], transB=1),
        make.make_node("MatMul", ["y", "adapter"], ["z"]),
        make.make_node("MatMul", ["z", "head"], ["logits"]),
    ]
    graph = make.make_graph(
        nodes,
        "small",
        [
            make.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["n"]),
            make.make_tensor_value_info("adapter", onnx.TensorProto.FLOAT, [width, width]),
        ],
        [make.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", rows])],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)


def logits(model: Any, folder: Path) -> Any:
    onnx.save_model(model, folder / "run.onnx")
    return open_session(folder / "run.onnx").run(None, {"ids": np.arange(40)})[0]


@pytest.mark.parametrize(("precision", "allowed"), [("int8", 0.02), ("int4", 0.25)])
def test_products_and_lookups_are_quantised_and_what_can_be_given_is_not(
    tmp_path: Path, precision: Any, allowed: float
) -> None:
    model = small_graph()
    exact = logits(model, tmp_path)
    bits = quantise(model, Recipe(precision, accuracy_level=0))
    assert bits == dict.fromkeys(("body", "head"), int(precision[3:])) | {"embedding": 8}
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["GatherBlockQuantized", "MatMulNBits", "Add", "MatMul", "MatMulNBits"]
    assert "adapter" in {tensor.name for tensor in model.graph.initializer}
    difference = np.abs(logits(model, tmp_path) - exact).max() / np.abs(exact).max()
    assert 0 < difference < allowed


def test_the_head_may_have_more_bits_than_the_body() -> None:
    model = small_graph()
    assert quantise(model, Recipe("int4", head_precision="int8")) == {"body": 4, "head": 8, "embedding": 8}
    bits = [
        attribute.i
        for node in model.graph.node
        if node.op_type == "MatMulNBits"
        for attribute in node.attribute
        if attribute.name == "bits"
    ]
    assert bits == [4, 8]


def test_a_table_that_does_not_fall_into_blocks_stays_as_it_is(tmp_path: Path) -> None:
    model = small_graph(width=72)
    exact = logits(model, tmp_path)
    assert quantise(model, INT4)["embedding"] == 32
    assert model.graph.node[0].op_type == "Gather"
    assert np.abs(logits(model, tmp_path) - exact).max() < 0.25 * np.abs(exact).max()


def test_a_weight_that_is_no_number_is_refused() -> None:
    model = small_graph()
    head = next(tensor for tensor in model.graph.initializer if tensor.name == "head")
    head.CopyFrom(onnx.numpy_helper.from_array(np.full(tuple(head.dims), np.nan, np.float32), "head"))
    with pytest.raises(ExportError, match="tensor 'head' holds values that are not finite"):
        quantise(model, INT4)


def test_a_graph_without_a_product_is_refused() -> None:
    model = small_graph()
    del model.graph.node[1:]
    with pytest.raises(ExportError, match="has no product with a matrix"):
        quantise(model, INT4)


def test_quantising_leaves_the_logging_of_the_process_alone() -> None:
    before = list(logging.getLogger().handlers), logging.getLogger().level
    quantise(small_graph(), INT4)
    assert (logging.getLogger().handlers, logging.getLogger().level) == before


# files of weights


def test_equal_weights_are_written_once_and_large_ones_begin_at_a_page(tmp_path: Path) -> None:
    make = onnx.helper
    small, large = np.arange(512, dtype=np.float32), np.ones((1024, 256), np.float32)
    weights = {"a": small, "b": large, "c": large.reshape(256, 1024), "d": small + 1}
    tensors = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    tensors.append(make.make_tensor("list", onnx.TensorProto.FLOAT, [512], small.tolist()))
    model = make.make_model(make.make_graph([], "weights", [], [], tensors), ir_version=9)
    save_model(model, tmp_path / "model.onnx", mapped=True)
    assert (tmp_path / "model.onnx.data").stat().st_size == (1 << 16) + large.nbytes + small.nbytes
    loaded = {each.name: each for each in onnx.load(tmp_path / "model.onnx").graph.initializer}
    for name, value in (weights | {"list": small}).items():
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(loaded[name]), value)


# recipes and manifests


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"precision": "int3"}, r"precision 'int3' is not known; choose one of fp32, fp16, int8, int4"),
        ({"precision": "int4", "accuracy_level": 2}, "accuracy level 2 is not known; choose one of 0, 1, 4"),
        ({"precision": "int4", "block_size": 48}, "block size 48 is not known; choose one of 32, 64, 128"),
        (
            {"precision": "fp32", "head_precision": "int8"},
            "--head-precision int8 is for --precision int4",
        ),
        ({"precision": "int4", "compact": 8}, "--compact stores fp32 weights .* instead of int4"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Recipe(**values)


@pytest.mark.parametrize("count", ["1", "two", "-2"])
def test_a_manifest_with_a_strange_number_of_slots_is_refused(
    tmp_path: Path, views: Bundle, count: str
) -> None:
    import msgspec

    members: dict[str, MemberRecord] = {
        name: replace(record, slots={count: record.model}) for name, record in views.manifest.members.items()
    }
    (tmp_path / "baco.json").write_bytes(msgspec.json.encode(replace(views.manifest, members=members)))
    with pytest.raises(BundleError, match=f"names '{count}' slots"):
        read_bundle(tmp_path)
