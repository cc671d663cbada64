from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.made_gguf import byte_level
from tests.exporters.made_models import ARCHITECTURES, TEMPLATE, VOCABULARY, model_folder, transformers

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402  (after the skips)

from baco_core.bundle import Manifest, read_bundle  # noqa: E402
from baco_core.errors import ExportError  # noqa: E402
from baco_exporters import partial, stages  # noqa: E402
from baco_exporters.bundle import Order, export_bundle  # noqa: E402
from baco_exporters.parity import TOLERANCE  # noqa: E402
from baco_exporters.progress import quiet  # noqa: E402
from baco_exporters.recipe import Compact, Recipe  # noqa: E402


def export(order: Order, folder: Path) -> Manifest:
    """Export with the libraries' noise in a log in `folder`, as on the command line."""
    with quiet(folder / "noise.log") as progress:
        return export_bundle(order, progress)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = model_folder(tmp_path_factory.mktemp("sources") / "tiny-llama")
    (folder / "README.md").write_text("---\nlicense: gemma\n---\n# A model\n", "utf-8")
    (folder / "LICENSE").write_text("Do as you like.", "utf-8")
    return folder


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_folder(tmp_path_factory.mktemp("sources") / "tiny-gpt2", "gpt2")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, llama: Path, gpt2: Path) -> Path:
    """A bundle of two different models."""
    out = tmp_path_factory.mktemp("bundles") / "pair"
    with quiet(out.with_suffix(".log")) as progress:
        export_bundle(Order({"base": str(llama), "aligned": str(gpt2)}, out), progress)
    return out


def test_a_bundle_can_be_read_and_verified(pair: Path) -> None:
    bundle = read_bundle(pair)
    bundle.verify()
    assert sorted(bundle.manifest.members) == ["aligned", "base"]
    base = bundle.manifest.members["base"]
    assert base.vocab_size == VOCABULARY
    assert base.precision == "fp32"
    assert (base.kv.layers, base.kv.heads, base.kv.head_size, base.kv.dtype) == (2, 2, 8, "float32")
    assert base.context_limit == 256
    assert base.bos_ids == (256,)
    assert base.end_ids == (257,)
    assert base.special_tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert base.chat_template is not None
    assert bundle.path(base.chat_template).read_text("utf-8") == TEMPLATE


def test_figures_and_versions_are_on_record(pair: Path) -> None:
    manifest = read_bundle(pair).manifest
    assert {"optimum-onnx", "torch", "transformers", "onnx"} <= set(manifest.created_with)
    for record in manifest.members.values():
        assert record.parity is not None
        assert (
            0 < max(record.parity.whole, record.parity.steps, record.parity.chunks) < record.parity.tolerance
        )


def test_licences_are_on_record_and_lie_in_the_bundle(pair: Path) -> None:
    bundle = read_bundle(pair)
    source = bundle.manifest.members["base"].source
    assert source.id == "tiny-llama"
    assert source.licence == "gemma"
    assert "Gemma Terms of Use" in str(source.notice)
    assert bundle.path("base/LICENSE").read_text("utf-8") == "Do as you like."
    notice = bundle.path("NOTICE.txt").read_text("utf-8")
    assert "tiny-llama: licence gemma. Gemma is provided under" in notice
    assert "tiny-gpt2: licence not stated by the source" in notice


def test_no_path_of_this_machine_gets_into_a_bundle(pair: Path, llama: Path) -> None:
    for path in pair.rglob("*"):
        if path.is_file():
            assert str(llama.parent).encode() not in path.read_bytes(), path


def test_every_file_is_in_the_manifest(pair: Path) -> None:
    lying = {path.relative_to(pair).as_posix() for path in pair.rglob("*") if path.is_file()}
    assert lying == {*read_bundle(pair).manifest.files, "baco.json"}


def test_two_views_share_one_set_of_files(tmp_path: Path, llama: Path) -> None:
    export(Order({"base": str(llama), "aligned": str(llama)}, tmp_path / "views"), tmp_path)
    bundle = read_bundle(tmp_path / "views")
    assert bundle.model_files("base") == bundle.model_files("aligned")
    assert len(list((tmp_path / "views").rglob("*.onnx"))) == 1


def test_a_single_model_is_the_member_named_model(tmp_path: Path, llama: Path) -> None:
    export(Order({"model": str(llama)}, tmp_path / "one", Recipe(precision="fp16")), tmp_path)
    record = read_bundle(tmp_path / "one").member("model")
    assert record.precision == "fp16"
    assert record.kv.dtype == "float16"


@pytest.mark.parametrize(("bits", "stored"), [(8, "fp32 stored as int8"), (16, "fp32 stored as fp16")])
def test_compact_weights_are_measured_too(tmp_path: Path, llama: Path, bits: Compact, stored: str) -> None:
    export(Order({"model": str(llama)}, tmp_path / "one", Recipe(compact=bits)), tmp_path)
    record = read_bundle(tmp_path / "one").member("model")
    assert record.precision == stored
    assert record.kv.dtype == "float32"
    assert record.parity is not None
    assert 1e-5 < record.parity.whole < record.parity.tolerance


def test_a_gguf_file_becomes_the_same_model_as_its_folder(tmp_path: Path) -> None:
    """Weights go through llama.cpp's layout of q and k, which loading has to undo."""
    folder = model_folder(tmp_path / "folder")
    gguf = llama_as_gguf(folder, tmp_path / "model.gguf")
    for source, out in ((folder, "a"), (gguf, "b")):
        export(Order({"model": str(source)}, tmp_path / out), tmp_path)
    from baco_exporters.parity import Reference, measure

    ids = (1, 50, 99, 256, 7)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].numpy()
    found = [Reference("ids", ids, logits)] * 2
    for out in ("a", "b"):
        assert measure(tmp_path / out / "model" / "model.onnx", found, 1e-3, out).whole < 1e-4
    record = read_bundle(tmp_path / "b").member("model")
    assert (record.bos_ids, record.end_ids) == ((298,), (299,))
    assert record.source.sha256 is not None
    assert record.special_tokens == {"bos_token": "<|start|>", "eos_token": "<|im_end|>"}


def llama_as_gguf(folder: Path, path: Path) -> Path:
    from safetensors.numpy import load_file

    sizes = ARCHITECTURES["llama"]
    heads = {"q": sizes["num_attention_heads"], "k": sizes["num_key_value_heads"]}
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v"}
    parts |= {"self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up"}
    parts |= {
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    tensors = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        short = name.removeprefix("model.").removesuffix(".weight")
        _, _, part = short.partition(".")[2].partition(".")
        if short.startswith("layers."):
            layer = short.split(".")[1]
            kind = parts[part][5:] if parts[part] in ("attn_q", "attn_k") else ""
            if kind:
                weight = (
                    weight.reshape(heads[kind], 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
                )
            tensors[f"blk.{layer}.{parts[part]}.weight"] = np.ascontiguousarray(weight)
        else:
            tensors[{"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}[short]] = weight
    values = {
        "context_length": 256, "embedding_length": 32, "block_count": 2, "feed_forward_length": 48,
        "attention__head_count": 4, "attention__head_count_kv": 2, "rope__dimension_count": 8,
        "vocab_size": VOCABULARY,
    }  # fmt: skip
    floats = {"rope__freq_base": 10000.0, "attention__layer_norm_rms_epsilon": 1e-6}
    facts = {f"llama__{key}": value for key, value in (values | floats).items()}
    merges = [f"a {letter}" for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"]
    return byte_level(path, merges, tensors=tensors, tokenizer__ggml__add_bos_token=True, **facts)


def test_a_bundle_is_replaced_only_when_told_so(tmp_path: Path, pair: Path, llama: Path) -> None:
    out = shutil.copytree(pair, tmp_path / "pair")
    with pytest.raises(ExportError, match="a bundle is there already; pass --force"):
        export(Order({"model": str(llama)}, out), tmp_path)
    export(Order({"model": str(llama)}, out, force=True), tmp_path)
    assert list(read_bundle(out).manifest.members) == ["model"]
    assert names(tmp_path, but="noise.log") == ["pair"]


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path, llama: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").touch()
    with pytest.raises(ExportError, match="exists and is not a bundle"):
        export(Order({"model": str(llama)}, tmp_path / "thesis", force=True), tmp_path)
    assert names(tmp_path / "thesis") == ["text"]


def names(folder: Path, but: str = "") -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != but)


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def a_weight_less(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def half_the_weights(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def unknown_type(folder: Path) -> None:
    edit(folder / "config.json", model_type="mamba")


def unheard_of(folder: Path) -> None:
    edit(folder / "config.json", model_type="nonesuch")


def code_of_its_own(folder: Path) -> None:
    edit(folder / "config.json", model_type="nonesuch", auto_map={"AutoConfig": "evil.Config"})
    (folder / "evil.py").write_text("raise SystemExit('ran')", "utf-8")


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{", "utf-8")


def edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_weights, "has no safetensors; pickled weights are never loaded"),
        (only_pickles, "has no safetensors; pickled weights are never loaded"),
        (a_weight_less, "1 weights are missing from the source, such as model.layers.1.mlp.up_proj.weight"),
        (half_the_weights, "transformers cannot load the model"),
        (
            unknown_type,
            "Optimum does not export 'mamba' models for text-generation-with-past. It exports: .*llama",
        ),
        (unheard_of, "nonesuch"),
        (code_of_its_own, "spoilt"),
        (no_tokenizer, "transformers cannot load the tokenizer"),
        (no_config, "the folder has no config.json"),
        (broken_config, "spoilt"),
    ],
)
def test_a_source_that_cannot_be_exported_is_refused_in_one_line(
    tmp_path: Path, llama: Path, spoil: Any, reason: str
) -> None:
    folder = shutil.copytree(llama, tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises(ExportError, match=reason) as refused:
        export(Order({"model": str(folder)}, tmp_path / "out"), tmp_path)
    assert "\n" not in str(refused.value)
    assert names(tmp_path, but="noise.log") == ["spoilt"]


def test_what_optimum_says_is_passed_on(tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import optimum.exporters.onnx

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("no dummy inputs for moonlight\nand a second line")

    monkeypatch.setattr(optimum.exporters.onnx, "onnx_export_from_model", refuse)
    with pytest.raises(
        ExportError, match=r"Optimum could not export the 'llama' model: no dummy inputs for moonlight$"
    ):
        export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)


def test_a_graph_that_differs_from_pytorch_is_not_written(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOLERANCE, "fp32", 1e-9)
    with pytest.raises(ExportError, match="model: parity failed: tensor 'logits'"):
        export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)
    assert names(tmp_path, but="noise.log") == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(onnx, "save_model", full)
    with pytest.raises(
        ExportError, match=r"could not be written \(No space left on device\); nothing was left"
    ):
        export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)
    assert names(tmp_path, but="noise.log") == []


def test_too_small_a_disk_is_refused_before_the_export(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(ExportError, match=r"exporting model needs 0\.0 GB, but only 0\.0 GB are free"):
        export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of file sizes are POSIX")
def test_a_file_size_limit_of_the_system_ends_in_one_line(tmp_path: Path, llama: Path) -> None:
    """The real boundary: the operating system refuses to write on, in the middle of a file."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "from baco_core.cli import main\n"
        f"sys.exit(main(['export', '--model', {str(llama)!r}, '--out', {str(tmp_path / 'out')!r}]))"
    )
    ended = run_python(script, tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "could not be written (File too large); nothing was left there" in ended.stderr
    assert names(tmp_path, but="cache") == []


def run_python(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"BACO_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def test_an_interrupt_leaves_nothing_and_a_second_run_works(
    tmp_path: Path, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> Manifest:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stages, "measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)
    assert names(tmp_path, but="noise.log") == []
    export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)
    read_bundle(tmp_path / "out").verify()


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path: Path, llama: Path) -> None:
    script = (
        "import os, signal; from pathlib import Path\n"
        "from baco_exporters.partial import partial_folder\n"
        f"with partial_folder(Path({str(tmp_path / 'out')!r})) as folder:\n"
        "    (folder / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    run_python(script, tmp_path)
    assert [name for name in names(tmp_path) if name.startswith(".out.partial-")]
    export(Order({"model": str(llama)}, tmp_path / "out"), tmp_path)
    assert names(tmp_path, but="noise.log") == ["out"]


def test_progress_is_shown_and_the_noise_is_in_the_log(
    tmp_path: Path, llama: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with quiet(tmp_path / "log") as progress:
        export_bundle(Order({"model": str(llama)}, tmp_path / "out"), progress)
    shown = capfd.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0].startswith("tiny-llama: licence gemma. Gemma is provided under")
    for phase in ("export through Optimum", "fuse attention", "compare with PyTorch"):
        assert any(re.fullmatch(rf"model: {phase} \.\.\. \d+\.\d s", line) for line in lines), phase
    assert any(line.startswith("model: largest logit difference at once ") for line in lines)
    assert "Warning" not in shown.err
    assert "TracerWarning" in (tmp_path / "log").read_text("utf-8")
