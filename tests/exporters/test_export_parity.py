from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.exporters.made_models import VOCABULARY, random_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from baco_core.errors import ExportError  # noqa: E402  (after the skips)
from baco_exporters.onnx_export import run_optimum, take_graph  # noqa: E402
from baco_exporters.parity import (  # noqa: E402
    SENTENCE,
    Reference,
    _cuts,
    checked_window,
    measure,
    references,
    unchecked_window,
)
from baco_exporters.progress import quiet  # noqa: E402
from baco_exporters.weights_file import save_model  # noqa: E402


def encode(text: str) -> list[int]:
    return [byte % VOCABULARY for byte in text.encode()]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Reference]]:
    """A sound export of a model with a sliding window, and what PyTorch says."""
    folder = tmp_path_factory.mktemp("parity")
    model = random_model("mistral")
    found = references(model, encode)
    with quiet(folder / "log"):
        run_optimum(model, folder / "work")
    save_model(take_graph(folder / "work"), folder / "model.onnx")
    return folder / "model.onnx", found


def test_a_sound_graph_passes_and_its_figures_are_small(exported: tuple[Path, list[Reference]]) -> None:
    parity = measure(*exported, 1e-3, "base")
    assert max(parity.whole, parity.steps, parity.chunks) < 1e-4
    assert parity.tolerance == pytest.approx(1e-3)


def test_ids_a_sentence_and_ids_beyond_the_window_are_compared(
    exported: tuple[Path, list[Reference]],
) -> None:
    fixed, sentence, beyond = exported[1]
    assert fixed.logits.shape == (len(fixed.ids), VOCABULARY)
    assert list(sentence.ids) == encode(SENTENCE)[: len(sentence.ids)]
    assert len(beyond.ids) > 8 + len(beyond.logits)


def damaged(path: Path, change: Any) -> Path:
    model = onnx.load(path)
    change(model.graph)
    target = path.with_name("damaged.onnx")
    onnx.save_model(model, target)
    return target


def scale_weight(graph: Any) -> None:
    tensor = next(tensor for tensor in graph.initializer if len(tensor.dims) == 2)
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1.05, tensor.name))


def swap_caches(graph: Any) -> None:
    swapped = {
        f"past_key_values.0.{a}": f"past_key_values.0.{b}" for a, b in (("key", "value"), ("value", "key"))
    }
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = swapped.get(name, name)


def test_a_wrong_weight_is_refused_with_tensor_figure_and_place(
    exported: tuple[Path, list[Reference]],
) -> None:
    path, found = exported
    with pytest.raises(
        ExportError,
        match=r"base: parity failed: tensor 'logits' differs .* by [\d.]+, more than 0.001 \(fixed ids",
    ):
        measure(damaged(path, scale_weight), found, 1e-3, "base")


def test_a_wrong_cache_is_found_although_the_whole_prompt_is_right(
    exported: tuple[Path, list[Reference]],
) -> None:
    path, found = exported
    with pytest.raises(ExportError, match="token by token"):
        measure(damaged(path, swap_caches), found, 1e-3, "base")


def test_a_logit_that_is_no_number_is_refused(exported: tuple[Path, list[Reference]]) -> None:
    path, found = exported
    logits = found[0].logits.copy()
    logits[3, 5] = np.nan
    with pytest.raises(ExportError, match="position 3, token 5"):
        measure(path, [replace(found[0], logits=logits), *found[1:]], 1e-3, "base")


@pytest.mark.parametrize(
    ("config", "checked", "unchecked"),
    [
        ({}, None, None),
        ({"sliding_window": None}, None, None),
        ({"sliding_window": 512}, 512, None),
        ({"sliding_window": 4096}, None, 4096),
        ({"sliding_window": 512, "use_sliding_window": False}, None, None),
    ],
)
def test_a_window_is_checked_when_it_is_short_enough(
    config: dict[str, Any], checked: int | None, unchecked: int | None
) -> None:
    given = SimpleNamespace(**config)
    assert (checked_window(given), unchecked_window(given)) == (checked, unchecked)


@pytest.mark.parametrize(("total", "first"), [(24, 0), (1, 0), (560, 552), (70, 62), (17, 16)])
@pytest.mark.parametrize("sizes", [[1], [3, 1, 8, 5], [24]])
def test_cuts_cover_every_token_once(total: int, first: int, sizes: list[int]) -> None:
    cuts = _cuts(sizes, total, first)
    assert [position for start, stop in cuts for position in range(start, stop)] == list(range(total))
