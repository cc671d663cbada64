"""Graphs, vocabularies and providers that cannot be used: one line from the command line, exit 2."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from baco_core.plugins import load_plugins

Refused = Callable[..., str]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the embedded pair, to be damaged."""
    folder = tmp_path / "pair"
    shutil.copytree(load_plugins(()).bundles.get("tiny"), folder)
    return folder


def generate(refused: Refused, bundle: Path, *settings: str, opened: bool = False) -> str:
    flags = [flag for setting in settings for flag in ("--set", setting)]
    return refused("generate", "A cat", "--set", f"pair.bundle={bundle}", *flags, opened=opened)


def graphs(bundle: Path, member: str) -> list[Path]:
    """The graphs of one member: for one sequence, and for several in one pass."""
    found = sorted((bundle / member).glob("*.onnx"))
    assert bundle / member / "model.onnx" in found
    return found


def cut(file: Path) -> int:
    """Cut a file in half; return how many bytes are left."""
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    return len(data) // 2


def test_a_graph_that_was_cut_off_has_the_wrong_size_and_cannot_be_opened(
    refused: Refused, bundle: Path
) -> None:
    size = cut(bundle / "base" / "model.onnx")
    assert f"'base/model.onnx' has {size} bytes, not" in generate(refused, bundle)
    for graph in graphs(bundle, "base")[1:]:
        cut(graph)
    unchecked = generate(refused, bundle, "pair.verify=false")
    complaint = r"(\S+): ONNX Runtime cannot open the graph; is it whole\? Export it again\."
    assert (found := re.search(complaint, unchecked))
    assert Path(found[1]) in graphs(bundle, "base")


def test_weights_that_were_cut_off_have_the_wrong_size_and_cannot_be_opened(
    refused: Refused, bundle: Path
) -> None:
    size = cut(bundle / "base" / "model.onnx.data")
    assert f"'base/model.onnx.data' has {size} bytes, not" in generate(refused, bundle)
    assert "cannot open the graph; is it whole?" in generate(refused, bundle, "pair.verify=false")


def test_a_graph_without_a_cache_is_named_with_what_to_do(refused: Refused, bundle: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="graphs are made with onnx")
    info, none = onnx.helper.make_tensor_value_info, onnx.TensorProto
    ids = info("input_ids", none.INT64, ["batch", "length"])
    logits = info("logits", none.FLOAT, ["batch", "length", 2048])
    table = onnx.helper.make_tensor("table", none.FLOAT, [4, 2048], [0.0] * 8192)
    node = onnx.helper.make_node("Gather", ["table", "input_ids"], ["logits"])
    graph = onnx.helper.make_graph([node], "no_cache", [ids], [logits], [table])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    for path in graphs(bundle, "aligned"):
        onnx.save(model, path)
    line = generate(refused, bundle, "pair.verify=false")
    assert any(str(path) in line for path in graphs(bundle, "aligned"))
    assert "cache" in line


def test_models_with_two_vocabularies_cannot_exchange_tokens(refused: Refused, bundle: Path) -> None:
    path = bundle / "aligned" / "tokenizer.json"
    tokenizer: dict[str, Any] = json.loads(path.read_text("utf-8"))
    vocab = tokenizer["model"]["vocab"]
    one, two = sorted(vocab, key=vocab.__getitem__)[300:302]
    vocab[one], vocab[two] = vocab[two], vocab[one]
    path.write_text(json.dumps(tokenizer), "utf-8")
    line = generate(refused, bundle, "pair.verify=false", "pair.exchange=tokens")
    assert "pair.exchange: 'tokens' needs one vocabulary, but" in line
    assert "300" in line


def test_cuda_where_there_is_none_is_named_with_the_way_out(refused: Refused, bundle: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        pytest.skip("this runtime has CUDA")
    line = generate(refused, bundle, "backend.options.providers=[cuda]")
    assert "provider 'cuda'" in line
    assert "[cuda, cpu]" in line


@pytest.fixture
def no_runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `import onnxruntime` fail as it does where none is installed."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    yield
    importlib.invalidate_caches()


@pytest.mark.usefixtures("no_runtime")
def test_without_a_runtime_the_extra_to_install_is_named(refused: Refused, bundle: Path) -> None:
    assert 'pip install "baco[cpu]"' in generate(refused, bundle)


def test_both_runtimes_at_once_are_refused(
    refused: Refused, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnxruntime", "onnxruntime-gpu"):
        info = tmp_path / "site" / f"{name.replace('-', '_')}-9.9.9.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9.9\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    line = generate(refused, bundle)
    assert "onnxruntime 9.9.9" in line
    assert "onnxruntime-gpu 9.9.9" in line


def test_a_chat_template_that_never_ends_is_refused(refused: Refused, bundle: Path) -> None:
    template = bundle / "aligned" / "chat_template.jinja"
    template.write_text(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "utf-8"
    )
    assert "chat template" in generate(refused, bundle, "pair.verify=false", opened=True)
