"""Graphs the backend can and cannot serve: one line that names the file, the tensor and the way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from baco_core.bundle import ModelFiles
from baco_core.errors import ModelError
from baco_core.testing.models import check_model
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.graph import read_graph
from tests.graphs import Decoder
from tests.onnxruntime.conftest import Load, files_of

PLAIN = Decoder(layers=1)


def refusal(path: Path, decoder: Decoder = PLAIN) -> str:
    """Load a graph that must be refused; return the message, which is one line and names the file."""
    with pytest.raises(ModelError) as raised:
        OnnxRuntimeBackend().load(files_of(path, decoder))
    message = str(raised.value)
    assert "\n" not in message
    assert str(path.resolve()) in message
    return message


def edited(path: Path, edit: Callable[[onnx.GraphProto], None], decoder: Decoder = PLAIN) -> Path:
    """Write the decoder's graph after `edit` changed it."""
    model = decoder.model()
    edit(model.graph)
    onnx.save_model(model, str(path))
    return path


def test_weights_may_lie_in_a_second_file(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path / "model.onnx", external_data=True)
    assert (tmp_path / "model.onnx.data").stat().st_size > path.stat().st_size
    check_model(OnnxRuntimeBackend().load(files_of(path, PLAIN)), tolerance=0)


def test_missing_external_data_is_named(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path / "model.onnx", external_data=True)
    (tmp_path / "model.onnx.data").unlink()
    assert "model.onnx.data" in refusal(path)


@pytest.mark.skipif(
    onnxruntime.__version__.startswith("1.23."), reason="ONNX Runtime 1.23 does not look where it lies"
)
def test_external_data_may_not_lie_outside_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    path = PLAIN.save(inside / "model.onnx", external_data=True)
    (inside / "model.onnx.data").rename(tmp_path / "stolen.data")
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../stolen.data"
    onnx.save_model(model, str(path))
    assert "cannot open the graph" in refusal(path)


@pytest.mark.parametrize("kept", [0, 0.1, 0.5, 0.99])
def test_a_truncated_graph_is_refused(tmp_path: Path, kept: float) -> None:
    path = PLAIN.save(tmp_path / "model.onnx")
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert "is it whole? Export it again." in refusal(path)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("not a graph")
    assert "cannot open the graph" in refusal(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "model.onnx")


def test_a_graph_without_cache_is_refused(tmp_path: Path) -> None:
    path = Decoder(cache=False).save(tmp_path / "model.onnx")
    assert 'export it with the task "text-generation-with-past"' in refusal(path)


def test_an_input_nobody_can_feed_is_named(tmp_path: Path) -> None:
    def add(graph: onnx.GraphProto) -> None:
        graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch"]))

    message = refusal(edited(tmp_path / "model.onnx", add))
    assert "'pixel_values'" in message
    assert "input_ids, attention_mask, position_ids" in message


def test_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path / "model.onnx")
    assert "97 logits, but 98 were promised" in refusal(path, Decoder(vocab_size=98))


def test_a_graph_without_logits_says_what_it_has(tmp_path: Path) -> None:
    def rename(graph: onnx.GraphProto) -> None:
        graph.output[0].name = graph.node[-1].output[0] = "scores"

    message = refusal(edited(tmp_path / "model.onnx", rename))
    assert "output 'logits'" in message
    assert "scores of float ['batch', 'count', 97]" in message


@dataclass(frozen=True)
class Node:
    """An input or output as ONNX Runtime describes it."""

    name: str
    shape: list[Any]
    type: str = "tensor(float)"


IDS = Node("input_ids", ["batch", "count"], "tensor(int64)")
LOGITS = Node("logits", ["batch", "count", 97])
PAST = ["batch", 2, "past", 16]
PRESENT = ["batch", 2, "past + count", 16]


def past(*shape: Any, kind: str = "tensor(float)", part: str = "0.key") -> Node:
    return Node(f"past_key_values.{part}", list(shape or PAST), kind)


def present(*shape: Any, kind: str = "tensor(float)", part: str = "0.key") -> Node:
    return Node(f"present.{part}", list(shape or PRESENT), kind)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([IDS, past()], [LOGITS], "'past_key_values.0.key' has no output 'present.*' like it"),
        ([IDS, past()], [LOGITS, present(part="1.key")], "has no output 'present.*' like it"),
        ([IDS, past()], [LOGITS, present("batch", 2, "total")], "has no output 'present.*' like it"),
        ([IDS, past()], [LOGITS, present(kind="tensor(float16)")], "has no output 'present.*' like it"),
        (
            [IDS, past(kind="tensor(bfloat16)")],
            [LOGITS, present(kind="tensor(bfloat16)")],
            "is tensor(bfloat16); float32 and float16 are supported",
        ),
        (
            [IDS, past("batch", 2, 512, 16)],
            [LOGITS, present("batch", 2, 512, 16)],
            "must have one axis of free length",
        ),
        (
            [IDS, past("batch", "heads", "past", 16)],
            [LOGITS, present("batch", "heads", "total", 16)],
            "must have one axis of free length",
        ),
        (
            [IDS, past("batch x heads", "past", 16)],
            [LOGITS, present("batch x heads", "total", 16)],
            "the first axis of cache input 'past_key_values.0.key' of float ['batch x heads', 'past', 16]",
        ),
        ([past()], [LOGITS, present()], "has no input 'input_ids'. Inputs: past_key_values.0.key"),
        (
            [IDS, Node("attention_mask", ["batch", 1, "count", "total"]), past()],
            [LOGITS, present()],
            "input 'attention_mask' of float ['batch', 1, 'count', 'total'] cannot be fed",
        ),
        (
            [IDS, past()],
            [Node("logits", ["batch", 97]), present()],
            "output 'logits' of shape (batch, length, vocabulary)",
        ),
    ],
)
def test_a_cache_that_cannot_be_served_is_named(
    inputs: list[Node], outputs: list[Node], message: str
) -> None:
    with pytest.raises(ModelError) as raised:
        read_graph(inputs, outputs, Path("a/model.onnx"))
    assert str(raised.value).startswith("a/model.onnx: ")
    assert message in str(raised.value)


def test_names_shapes_and_types_are_read_from_the_graph() -> None:
    graph = read_graph(
        [
            Node("input_ids", [None, None], "tensor(int32)"),
            Node("use_cache_branch", [1], "tensor(bool)"),
            Node("cache_position", ["count"], "tensor(int64)"),
            Node("logits_to_keep", [], "tensor(int64)"),
            Node("past.0.key_value", [None, "past", 32], "tensor(float16)"),
        ],
        [
            Node("logits", [None, None, "words"]),
            Node("present.0.key_value", [None, "total", 32], "tensor(float16)"),
        ],
        Path("model.onnx"),
    )
    (tensor,) = graph.cache
    assert (tensor.axis, tensor.empty_shape, tensor.dtype) == (1, (1, 0, 32), np.dtype(np.float16))
    assert graph.vocab_size is None
    feeds = graph.feeds([7, 8], 5, 1)
    assert {name: (value.dtype.name, value.tolist()) for name, value in feeds.items()} == {
        "input_ids": ("int32", [[7, 8]]),
        "use_cache_branch": ("bool", [True]),
        "cache_position": ("int64", [5, 6]),
        "logits_to_keep": ("int64", 1),
    }


def test_two_views_are_one_model_and_share_its_session_with_others(tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path / "model.onnx")
    backend = OnnxRuntimeBackend()
    base, aligned = (backend.load(files_of(path, PLAIN)) for _ in range(2))
    assert base is aligned
    shorter = backend.load(ModelFiles(tmp_path / "x" / ".." / "model.onnx", 97, 8))
    assert shorter.session is base.session
    assert shorter.context_limit == 8
    base.open().extend([1, 2])
    shorter.open().extend([3])
    shorter.open().extend([3])
    assert (base.forwards, shorter.forwards) == (1, 2)


def test_a_session_ends_with_its_last_model(load: Load, tmp_path: Path) -> None:
    path = PLAIN.save(tmp_path / "model.onnx")
    backend = OnnxRuntimeBackend()
    model = backend.load(files_of(path, PLAIN))
    assert len(backend._sessions._open) == 1
    del model
    assert len(backend._sessions._open) == 0
