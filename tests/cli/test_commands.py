"""The commands besides `generate`, and what all of them share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from made_plugins import GOOD, HEAD

from baco_core import __version__, cli
from baco_core.config import Config, config_from_data
from baco_core.errors import InternalError
from baco_core.plugins import load_plugins
from baco_core.router import Router

Run = Callable[..., "Answer"]
Process = Callable[..., "subprocess.CompletedProcess[bytes]"]
Install = Callable[..., Path]

COMMAND = """
from argparse import ArgumentParser
from baco_core.command import Command
from baco_core.hookspecs import hookimpl

@hookimpl
def register_commands(register):
    register("sing", Command("Sing a song.", configure, lambda options: print(options.song) or 7))

def configure(parser):
    parser.add_argument("song")
"""


class Answer:
    code: int
    out: str
    err: str


def test_help_lists_the_commands_of_core_and_plugins(baco: Run) -> None:
    answer = baco("--help")
    assert answer.code == 0
    for name in ("config", "doctor", "generate", "plugins", "export", "pull"):
        assert f"\n    {name} " in answer.out


@pytest.mark.parametrize(
    "command",
    [
        ("generate",),
        ("plugins",),
        ("plugins", "list"),
        ("plugins", "new"),
        ("config",),
        ("config", "show"),
        ("config", "validate"),
        ("config", "schema"),
        ("doctor",),
    ],
)
def test_every_command_has_help(baco: Run, command: tuple[str, ...]) -> None:
    answer = baco(*command, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"usage: baco {' '.join(command)}")


def test_the_version_is_told(baco: Run) -> None:
    assert baco("--version").out == f"baco {__version__}\n"


def test_help_imports_nothing_heavy(process: Process) -> None:
    code = (
        "import sys; from baco_core.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    loaded = set(process(code=code).stderr.decode().split())
    heavy = {"jinja2", "msgspec", "numpy", "onnx", "onnxruntime", "optimum", "tokenizers", "torch", "yaml"}
    assert loaded & heavy == set()


def test_a_plugins_command_runs_with_its_exit_code(baco: Run, install: Install) -> None:
    install("acme-song", COMMAND)
    answer = baco("--plugin", "acme-song", "sing", "la la")
    assert (answer.code, answer.out) == (7, "la la\n")


def test_a_plugin_that_is_not_named_adds_no_command(refused: Callable[..., str], install: Install) -> None:
    install("acme-song", COMMAND)
    assert "unknown command 'sing'" in refused("sing", "la la")


def test_a_plugin_cannot_take_the_name_of_a_command(refused: Callable[..., str], install: Install) -> None:
    install("acme-song", COMMAND.replace('"sing"', '"doctor"') + "\n")
    line = refused("--plugin", "acme-song", "unheard")
    assert "Not loaded: Command 'doctor' is registered twice: by baco (" in line


def test_a_broken_plugin_does_not_keep_help_from_helping(baco: Run, install: Install) -> None:
    install("acme-broken", "import a_module_that_is_not_there")
    answer = baco("--plugin", "acme-broken", "--help")
    assert answer.code == 0
    assert "Not loaded: Plugin 'acme-broken'" in answer.out


def test_config_show_fills_in_every_default_and_reads_back(baco: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("router: {use: chain, options: {routers: [{use: punc}, {use: p}]}}\ndecode: {n: 2}\n")
    answer = baco("config", "show", "-c", str(file), "--set", "decode.seed=5")
    assert (answer.code, answer.err) == (0, "")
    shown = yaml.safe_load(answer.out)
    assert shown["decode"]["n"] == 2
    assert shown["decode"]["seed"] == 5
    assert shown["decode"]["max_new_tokens"] == 256
    assert shown["router"]["options"]["routers"][1]["options"]["gamma"] == 0.3
    assert shown["sampler"]["options"]["temperature"] == 1.0
    again = config_from_data(shown)
    plugins = load_plugins()
    once: Router = plugins.routers.build(config_from_data(yaml.safe_load(file.read_text())).router, "router")
    assert plugins.routers.build(again.router, "router") == once


def test_config_validate_says_which_files_are_fine(baco: Run, tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.write_text("router: {use: p}\n")
    answer = baco("config", "validate", *map(str, files))
    assert answer.code == 0
    assert answer.out.splitlines() == [f"{file}: fine" for file in files]


def test_config_schema_is_json_with_all_routers(baco: Run) -> None:
    schema = json.loads(baco("config", "schema").out)
    titles = [choice["title"] for choice in schema["$defs"]["router"]["oneOf"]]
    assert {"p", "p-punc", "chain"} <= set(titles)
    assert set(schema["properties"]) == set(Config.__dataclass_fields__) - {"origin"}


def test_plugins_list_tells_name_distribution_version_and_names(baco: Run, install: Install) -> None:
    install("acme-routers", GOOD)
    install("acme-sleeping", "raise RuntimeError('imported')")
    answer = baco("plugins", "list", "--plugin", "acme-routers")
    assert answer.code == 0
    lines = {line.split()[0]: line.split(maxsplit=3) for line in answer.out.splitlines()}
    assert lines["PLUGIN"][1:3] == ["DISTRIBUTION", "VERSION"]
    assert lines["acme-routers"][1:3] == ["acme-routers", "1.2.3"]
    assert lines["acme-routers"][3].split() == ["routers:", "made", "acme_routers"]
    assert lines["acme-sleeping"][3].split() == ["(not", "loaded)", "acme_sleeping"]
    assert "p-punc" in lines["routers"][3]


def test_plugins_list_all_names_the_broken_one_and_shows_the_rest(baco: Run, install: Install) -> None:
    install("acme-routers", GOOD)
    install("acme-broken", "raise RuntimeError('imported')")
    answer = baco("plugins", "list", "--all")
    assert answer.code == 2
    assert "routers: made" in answer.out
    assert answer.err.startswith(
        "baco: error: Plugin 'acme-broken' (distribution acme-broken 1.2.3, acme_broken) could"
    )
    assert answer.err.count("\n") == 1


def test_plugins_new_writes_a_package_and_prints_its_folder(baco: Run, tmp_path: Path) -> None:
    answer = baco("plugins", "new", "acme-mine", "--kind", "sampler", "--dir", str(tmp_path))
    assert answer.code == 0
    assert answer.out == f"{tmp_path / 'acme-mine'}\n"
    assert "pip install" in answer.err
    assert (tmp_path / "acme-mine" / "src" / "acme_mine" / "sampler.py").is_file()


def test_doctor_finds_this_environment_and_reports_what_plugins_say(
    baco: Run, install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path / "cache"))
    install(
        "acme-well", HEAD + "@hookimpl\ndef report_health(report):\n    report('acme', 'feels fine', True)\n"
    )
    answer = baco("doctor", "--quick", "--plugin", "acme-well")
    lines = [line.split(maxsplit=2) for line in answer.out.splitlines()]
    assert ["ok", "baco", __version__] in lines
    assert ["ok", "acme", "feels fine"] in lines
    assert any(line[:2] == ["ok", "plugin"] and line[2].endswith("acme-well (1.2.3)") for line in lines)
    assert any(line[1] == "cores" for line in lines)
    assert any(line[1] == "cache" and str(tmp_path) in line[2] for line in lines)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import a_module_that_is_not_there", "could not be imported"),
        (HEAD + "@hookimpl\ndef report_health(report):\n    report('acme', 'is ill', False)\n", "is ill"),
        (HEAD + "@hookimpl\ndef report_health(report):\n    1 / 0\n", "raised in hook 'report_health'"),
    ],
)
def test_doctor_returns_1_when_something_is_broken_and_goes_on(
    baco: Run, install: Install, code: str, found: str
) -> None:
    install("acme-ill", code)
    answer = baco("doctor", "--quick", "--plugin", "acme-ill")
    assert answer.code == 1
    assert any(line.startswith("BAD") and found in line for line in answer.out.splitlines())
    assert "plugin routers" in answer.out


def test_doctor_verifies_bundles_in_the_cache(
    baco: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path))
    (tmp_path / "bundles" / "mine").mkdir(parents=True)
    (tmp_path / "bundles" / "mine" / "baco.json").write_text("{")
    answer = baco("doctor", "--quick")
    assert answer.code == 1
    assert any(line.startswith("BAD  bundle mine") for line in answer.out.splitlines())


def failing(error: BaseException) -> Callable[[list[str]], int]:
    def run(arguments: list[str]) -> int:
        raise error

    return run


def test_a_failure_of_ours_is_one_line_that_asks_for_a_report(
    baco: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_run", failing(RuntimeError("two\nlines")))
    answer = baco("doctor")
    assert answer.code == 1
    assert answer.err == (
        "baco: error: internal error: RuntimeError: two lines. "
        "Please report this with what the same command prints with --debug.\n"
    )


def test_debug_shows_the_traceback(baco: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run", failing(RuntimeError("oh")))
    answer = baco("doctor", "--debug")
    assert answer.code == 1
    assert "Traceback" in answer.err
    assert answer.err.splitlines()[-1].startswith("baco: error: internal error: RuntimeError: oh.")


def test_an_internal_error_returns_1_and_asks_for_a_report(
    baco: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_run", failing(InternalError("a lane lost its way.")))
    answer = baco("doctor")
    assert answer.code == 1
    assert answer.err.startswith("baco: error: a lane lost its way. Please report this")


def test_an_interruption_returns_130(baco: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run", failing(KeyboardInterrupt()))
    answer = baco("doctor")
    assert (answer.code, answer.err) == (130, "baco: interrupted.\n")


def test_a_reader_that_leaves_early_is_no_error(process: Process) -> None:
    shell = f"set -o pipefail; {sys.executable} -m baco_core.cli config schema | head -c 1"
    done = process(shell=shell)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{", b"")


def test_a_full_disk_behind_stdout_is_told(process: Process) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("wb") as out:
        done = process("config", "schema", capture_output=False, stdout=out, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "baco: error: cannot write the output: No space left on device."
    ]
