"""`baco plugins new` writes packages that install and pass their own tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from baco_core.errors import ConfigError
from baco_core.plugins import load_plugins
from baco_core.scaffold import KINDS, write_package

TABLES = {"router": "routers", "sampler": "samplers", "metric": "metrics"}


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_a_package_with_entry_point_example_test_and_readme(kind: str, tmp_path: Path) -> None:
    folder = write_package("acme-tools", kind, tmp_path)
    assert folder == tmp_path / "acme-tools"
    assert set(tree(folder)) == {
        "README.md",
        "pyproject.toml",
        "src/acme_tools/__init__.py",
        f"src/acme_tools/{kind}.py",
        "src/acme_tools/plugin.py",
        "src/acme_tools/py.typed",
        "tests/test_acme_tools.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "acme-tools"
    assert project["entry-points"]["baco"] == {"acme-tools": "acme_tools.plugin"}
    assert not any("$" in (folder / name).read_text("utf-8") for name in tree(folder))
    assert os.listdir(tmp_path) == ["acme-tools"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_installs_registers_and_passes_its_test(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hatchling", reason="the package is built with hatchling, without a download")
    name = f"acme-new-{kind}"
    folder = write_package(name, kind, tmp_path)
    site = tmp_path / "site"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(folder)]
    subprocess.run(pip, check=True)
    monkeypatch.syspath_prepend(site)
    registry = load_plugins([name]).registries()[TABLES[kind]]
    assert registry.owner(name).distribution == name
    search = os.pathsep.join([str(site), *filter(None, sys.path)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "."]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Acme", "must be lower-case words"),
        ("acme_routers", "must be lower-case words"),
        ("../acme", "must be lower-case words"),
        ("-acme", "must be lower-case words"),
        ("", "must be lower-case words"),
        ("a" * 65, "must be lower-case words"),
        ("class", "a word of Python's own"),
        ("json", "a word of Python's own"),
        ("numpy", "taken by an installed package"),
        ("baco-core", "taken by an installed package"),
        ("routers", "taken by an installed package"),
    ],
)
def test_a_senseless_or_taken_name_is_refused_and_nothing_is_written(
    name: str, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        write_package(name, "router", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "acme-tools").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        write_package("acme-tools", "router", tmp_path)
    assert tree(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_package("acme-tools", "router", tmp_path / "file")


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(self: Path, *arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(ConfigError, match="No space left on device"):
        write_package("acme-tools", "router", tmp_path)
    assert os.listdir(tmp_path) == []
