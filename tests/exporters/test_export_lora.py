from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.made_models import model_folder, torch, transformers

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnx_ir", reason="quantising needs the extra 'export'")

import numpy as np

from baco_core.bundle import read_bundle
from baco_core.errors import ConfigError, ExportError
from baco_exporters.bundle import Order, export_bundle
from baco_exporters.peft_folder import read_adapter
from baco_exporters.progress import quiet
from baco_exporters.reader import GraphReader
from baco_exporters.recipe import Recipe

RANK, ALPHA = 4, 6
IDS = tuple(range(3, 40))
MODULES = {
    "self_attn.q_proj": (64, 64),
    "self_attn.v_proj": (32, 64),
    "self_attn.o_proj": (64, 64),
    "mlp.down_proj": (64, 48),
}
"""What the adapters of these tests change in each layer, and its shape [out, in]; keys stay as they are."""


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose attention can be fused."""
    return model_folder(tmp_path_factory.mktemp("sources") / "llama", hidden_size=64, head_dim=16)


def adapter_folder(folder: Path, changes: dict[str, Any] | None = None, **more: Any) -> Path:
    """Write an adapter as PEFT does, of MODULES and more tensors, or of `tensors` alone."""
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "bias": "none", "use_dora": False}
    (folder / "adapter_config.json").write_text(json.dumps(config | (changes or {})), "utf-8")
    save_file(more.pop("tensors", None) or lora_tensors() | more, folder / "adapter_model.safetensors")
    return folder


def lora_tensors() -> dict[str, Any]:
    torch.manual_seed(1)
    tensors = {}
    for layer in range(2):
        for module, (out, width) in MODULES.items():
            name = f"base_model.model.model.layers.{layer}.{module}"
            tensors[f"{name}.lora_A.weight"] = torch.randn(RANK, width) / 4
            tensors[f"{name}.lora_B.weight"] = torch.randn(out, RANK) / 4
    return tensors


def merged_logits(base: Path, folder: Path, scale: float) -> Any:
    """Return PyTorch's logits for IDS with the adapter merged by the formula W + scale · B A."""
    from safetensors.torch import load_file

    model = transformers.AutoModelForCausalLM.from_pretrained(base).eval()
    tensors = load_file(folder / "adapter_model.safetensors")
    for name, module in model.named_modules():
        down = tensors.get(f"base_model.model.{name}.lora_A.weight")
        if down is not None:
            module.weight.data += scale * tensors[f"base_model.model.{name}.lora_B.weight"] @ down
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0].numpy()


def export(base: Path, adapter: Path, out: Path, recipe: Recipe) -> Any:
    with quiet(out.with_suffix(".log")) as progress:
        export_bundle(Order({"base": str(base)}, out, recipe, adapter=adapter), progress)
    bundle = read_bundle(out)
    bundle.verify()
    return bundle


def rows(files: Any, *, cut: int = len(IDS)) -> Any:
    cuts = [(start, min(start + cut, len(IDS))) for start in range(0, len(IDS), cut)]
    reader = GraphReader(files.onnx, files.adapter)
    return np.concatenate([read for _, read in reader.read(IDS, cuts)])


def test_the_graph_with_the_adapter_equals_pytorch_with_merged_weights(tmp_path: Path, llama: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    bundle = export(llama, folder, tmp_path / "out", Recipe())
    base, aligned = bundle.model_files("base"), bundle.model_files("aligned")
    assert base.onnx == aligned.onnx
    assert (base.adapter, aligned.adapter) == (None, bundle.path("aligned/adapter.onnx_adapter"))
    assert base.slots == aligned.slots
    expected = merged_logits(llama, folder, ALPHA / RANK)
    np.testing.assert_allclose(rows(aligned), expected, atol=2e-5)
    np.testing.assert_allclose(rows(aligned, cut=5), expected, atol=2e-5)
    assert np.abs(rows(base) - expected).max() > 0.1


def test_without_its_adapter_the_graph_is_the_base_model_to_the_bit(tmp_path: Path, llama: Path) -> None:
    with_branches = export(llama, adapter_folder(tmp_path / "adapter"), tmp_path / "out", Recipe())
    with quiet(tmp_path / "log") as progress:
        export_bundle(Order({"model": str(llama)}, tmp_path / "plain"), progress)
    plain = read_bundle(tmp_path / "plain").model_files("model")
    np.testing.assert_array_equal(rows(with_branches.model_files("base")), rows(plain))


def test_a_graph_that_cannot_be_fused_takes_no_adapter(tmp_path: Path) -> None:
    base = model_folder(tmp_path / "base", hidden_size=64, head_dim=8)
    pair = {"q_proj.lora_A": (RANK, 64), "q_proj.lora_B": (32, RANK)}
    name = "base_model.model.model.layers.0.self_attn."
    folder = adapter_folder(
        tmp_path / "adapter",
        tensors={f"{name}{part}.weight": torch.ones(shape) for part, shape in pair.items()},
    )
    with pytest.raises(ExportError, match=r"base: an adapter needs a fused graph \(layer 0: the head size 8"):
        export(base, folder, tmp_path / "out", Recipe())


def test_an_adapter_stays_exact_on_a_quantised_graph(tmp_path: Path, llama: Path) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    bundle = export(llama, folder, tmp_path / "out", Recipe("int8"))
    assert bundle.member("aligned").quality == bundle.member("base").quality
    expected = merged_logits(llama, folder, ALPHA / RANK)
    assert np.abs(rows(bundle.model_files("aligned")) - expected).max() < 0.05 * np.abs(expected).max()


def test_scales_are_alpha_over_the_rank_or_over_its_root(tmp_path: Path) -> None:
    plain = read_adapter(adapter_folder(tmp_path / "a"))
    root = read_adapter(adapter_folder(tmp_path / "b", {"use_rslora": True}))
    name = "model.layers.1.self_attn.q_proj"
    assert set(plain) == {f"model.layers.{layer}.{module}" for layer in (0, 1) for module in MODULES}
    np.testing.assert_allclose(root[name].up, plain[name].up * RANK / RANK**0.5, rtol=1e-6)
    assert plain[name].down.shape == (RANK, 64)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"peft_type": "IA3"}, "the adapter is IA3, not LORA"),
        ({"use_dora": True}, "the adapter has DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole modules"),
        ({"rank_pattern": {"q_proj": 8}}, "ranks by module"),
        ({"alpha_pattern": {"q_proj": 8}}, "scales by module"),
        ({"bias": "lora_only"}, "trains biases"),
        ({"fan_in_fan_out": True}, "transposed weights"),
        ({"r": 0}, "must be numbers, not 0 and 6"),
        ({"lora_alpha": None}, "must be numbers, not 4 and None"),
    ],
)
def test_adapters_that_are_more_than_lora_are_refused_in_one_line(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason) as refused:
        read_adapter(adapter_folder(tmp_path / "adapter", changes))
    assert "\n" not in str(refused.value)


def damaged_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{", "utf-8")


def no_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def only_pickles(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def damaged_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")


@pytest.mark.parametrize("spoil", [damaged_config, no_config, only_pickles, damaged_weights])
def test_a_folder_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, spoil: Any) -> None:
    folder = adapter_folder(tmp_path / "adapter")
    spoil(folder)
    with pytest.raises(ExportError, match="cannot be read") as refused:
        read_adapter(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        (
            "base_model.model.lm_head.weight",
            (4, 4),
            "is not a LoRA matrix",
        ),
        ("base_model.model.x.lora_embedding_A", (4, 4), "is not a LoRA matrix"),
        ("base_model.model.x.lora_A.weight", (4, 4), "the matrices of 'x' do not fit each other"),
    ],
)
def test_tensors_that_are_no_pairs_are_refused(
    tmp_path: Path, name: str, shape: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        read_adapter(adapter_folder(tmp_path / "adapter", **{name: torch.ones(shape)}))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("model.layers.9.self_attn.q_proj", r"of shape \(64, 64\); in the base model it is not there"),
        ("model.layers.0.mlp.up_proj", r"of shape \(64, 64\); in the base model it is \(48, 64\)"),
    ],
)
def test_an_adapter_of_another_model_is_refused_before_the_export(
    tmp_path: Path, llama: Path, module: str, reason: str
) -> None:
    name = f"base_model.model.{module}"
    pair = {f"{name}.lora_A.weight": torch.ones(RANK, 64), f"{name}.lora_B.weight": torch.ones(64, RANK)}
    folder = adapter_folder(tmp_path / "adapter", **pair)
    with pytest.raises(ExportError, match=reason):
        export(llama, folder, tmp_path / "out", Recipe())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sources", "recipe", "reason"),
    [
        ({"model": "a"}, Recipe(), "makes an aligned model of --base"),
        ({"base": "a", "aligned": "b"}, Recipe(), "makes an aligned model of --base"),
        ({"base": "a"}, Recipe(compact=8), "an adapter needs a fused graph in fp32, int8 or int4"),
        ({"base": "a"}, Recipe("fp16"), "an adapter needs a fused graph in fp32, int8 or int4"),
        ({"base": "a"}, Recipe(fuse=False), "an adapter needs a fused graph in fp32, int8 or int4"),
    ],
)
def test_orders_with_an_adapter_that_make_no_sense_are_refused(
    tmp_path: Path, sources: dict[str, str], recipe: Recipe, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        Order(sources, tmp_path / "out", recipe, adapter=tmp_path)
