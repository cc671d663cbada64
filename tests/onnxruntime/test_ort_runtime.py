"""Which runtime is installed, where it can run, and what is said when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import onnxruntime
import pytest

from baco_core.errors import ConfigError, ModelError
from baco_core.options import build
from baco_onnxruntime import plugin, runtime
from baco_onnxruntime.backend import OnnxRuntimeBackend
from baco_onnxruntime.runtime import runtime_report
from tests.graphs import Decoder
from tests.onnxruntime.conftest import files_of

CUDA = "CUDAExecutionProvider"


def load(path: Path, **options: object) -> object:
    return OnnxRuntimeBackend(**options).load(files_of(path, Decoder()))  # type: ignore[arg-type]


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Pretend that exactly these distributions are installed."""
    known = {name.replace("_", "-"): version for name, version in versions.items()}

    def version(name: str) -> str:
        if name in known:
            return known[name]
        raise PackageNotFoundError(name)

    monkeypatch.setattr(runtime, "version", version)


def test_the_plugin_registers_the_backend_without_importing_the_runtime() -> None:
    code = (
        "import sys; from baco_onnxruntime import plugin; found = {};"
        "plugin.register_backends(found.__setitem__);"
        "print(found['onnxruntime'].__name__, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["OnnxRuntimeBackend", "False"]
    assert done.stderr == ""


def test_options_come_from_yaml_with_their_ranges() -> None:
    found: dict[str, Any] = {}
    plugin.register_backends(found.__setitem__)
    backend = build(
        found["onnxruntime"], {"providers": ["cuda", "cpu"], "intra_op_threads": 2}, "backend.options"
    )
    assert backend == OnnxRuntimeBackend(providers=("cuda", "cpu"), intra_op_threads=2)
    for options, message in (
        ({"providers": ["gpu"]}, "backend.options.providers"),
        ({"providers": []}, "providers is empty"),
        ({"prefill_chunk": 1}, "backend.options.prefill_chunk"),
        ({"intra_op_threads": -1}, "backend.options.intra_op_threads"),
        ({"exact": "yes"}, "backend.options.exact"),
        ({"treads": 1}, "unknown key 'treads'"),
    ):
        with pytest.raises(ConfigError, match=message):
            build(found["onnxruntime"], options, "backend.options")
    with pytest.raises(ConfigError, match="prefill_chunk"):
        OnnxRuntimeBackend(prefill_chunk=1)


def test_every_option_has_a_description_in_the_schema() -> None:
    schema = msgspec.json.schema(OnnxRuntimeBackend)["$defs"]["OnnxRuntimeBackend"]
    assert set(schema["properties"]) == {
        "providers",
        "cuda_device",
        "intra_op_threads",
        "spinning",
        "prefill_chunk",
        "exact",
        "cache_memory_mib",
    }
    assert all("description" in option for option in schema["properties"].values())


def test_the_report_tells_what_is_installed() -> None:
    report = runtime_report()
    assert report.version == onnxruntime.__version__
    assert report.distributions
    assert "CPUExecutionProvider" in report.providers
    assert report.problem is None


def test_doctor_is_told_of_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str, bool]] = []
    plugin.report_health(lambda *finding: told.append(finding))
    install(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu="1.31.1")
    plugin.report_health(lambda *finding: told.append(finding))
    (well, ill) = told
    assert well[0] == ill[0] == "inference"
    assert well[2]
    assert f"module {onnxruntime.__version__}: " in well[1]
    assert not ill[2]
    assert "pip uninstall -y" in ill[1]


def test_a_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch, decoder_path: Path) -> None:
    install(monkeypatch)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r'not installed .*pip install "baco\[cpu\]"'):
        load(decoder_path)
    report = runtime_report()
    assert (report.distributions, report.version, report.providers) == ({}, None, ())
    assert report.problem is not None
    assert "baco[cpu]" in report.problem


def test_a_runtime_that_is_broken_says_so(monkeypatch: pytest.MonkeyPatch, decoder_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace())
    with pytest.raises(ModelError, match=r"cannot be imported .*pip install --force-reinstall"):
        load(decoder_path)


def test_two_runtimes_clash(monkeypatch: pytest.MonkeyPatch, decoder_path: Path) -> None:
    install(monkeypatch, onnxruntime="1.32.0", onnxruntime_gpu="1.31.1")
    with pytest.raises(ModelError) as raised:
        load(decoder_path)
    assert str(raised.value) == (
        "onnxruntime 1.32.0 and onnxruntime-gpu 1.31.1 are installed side by side, but own the same files; "
        "keep one: pip uninstall -y onnxruntime onnxruntime-gpu, "
        'then pip install "baco[cpu]" or "baco[gpu]".'
    )
    report = runtime_report()
    assert report.problem == str(raised.value)
    assert report.version == onnxruntime.__version__


@pytest.fixture
def without_cuda() -> None:
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime was built with CUDA")


@pytest.mark.usefixtures("without_cuda")
def test_cuda_that_is_not_there_is_an_error(decoder_path: Path) -> None:
    with pytest.raises(ModelError, match=r"provider 'cuda': .*pip install \"baco\[gpu\]\".*\[cuda, cpu\]"):
        load(decoder_path, providers=("cuda",))


@pytest.mark.usefixtures("without_cuda")
def test_cuda_falls_back_with_one_warning(
    decoder_path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    backend = OnnxRuntimeBackend(providers=("cuda", "cpu"))
    first = backend.load(files_of(decoder_path, Decoder()))
    second = backend.load(files_of(Decoder(seed=1).save(tmp_path / "second.onnx"), Decoder()))
    assert first.session.placement.provider == second.session.placement.provider == "cpu"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "provider 'cuda'" in record.message
    assert record.message.endswith("Using 'cpu' instead.")
    assert capfd.readouterr() == ("", "")


def test_a_provider_that_does_not_start_is_an_error_or_falls_back(
    decoder_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A runtime built for CUDA on a machine without it opens the graph on the CPU and says nothing."""
    real = onnxruntime.InferenceSession

    def quietly_on_cpu(path: str, options: object, providers: list[object], enable_fallback: int) -> object:
        return real(path, options, providers=[("CPUExecutionProvider", {})], enable_fallback=enable_fallback)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas"), raising=False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", quietly_on_cpu)
    with pytest.raises(ModelError, match=f"could not start {CUDA}; check the GPU"):
        load(decoder_path, providers=("cuda",))
    assert not caplog.records
    load(decoder_path, providers=("cuda", "cpu"))
    assert len(caplog.records) == 1


def test_a_bad_graph_is_no_reason_to_warn_of_a_provider(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "model.onnx").write_text("not a graph")
    with pytest.raises(ModelError, match="cannot open the graph"):
        load(tmp_path / "model.onnx", providers=("cuda", "cpu"))
    assert not caplog.records


def test_refusals_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.onnx").write_text("not a graph")
    with pytest.raises(ModelError):
        load(tmp_path / "model.onnx")
    model = OnnxRuntimeBackend().load(
        files_of(Decoder(max_length=4).save(tmp_path / "short.onnx"), Decoder())
    )
    with pytest.raises(ModelError):
        model.open().extend([1] * 8)
    assert capfd.readouterr() == ("", "")


def test_writing_a_text_leaves_no_device_id_in_the_home_folder(tmp_path: Path) -> None:
    told = {
        key: value
        for key, value in os.environ.items()
        if key not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    command = [sys.executable, "-m", "baco_core.cli", "generate", "Hello.", "--max-new-tokens", "2"]
    done = subprocess.run(command, env={**told, "HOME": str(tmp_path)}, capture_output=True, timeout=120)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.rglob("*device*")] == []
