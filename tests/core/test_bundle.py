"""Bundles: what is missing, damaged or unsafe is refused in one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baco_core.bundle import MANIFEST_NAME, inside, read_bundle
from baco_core.errors import BundleError

Edit = Callable[[dict[str, Any]], None]


def write(folder: Path, edit: Edit = lambda manifest: None) -> Path:
    (folder / "model").mkdir(parents=True)
    files = {"model/model.onnx": b"graph", "model/tokenizer.json": b"{}"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "format": 1,
        "members": {
            "model": {
                "model": "model/model.onnx",
                "tokenizer": "model/tokenizer.json",
                "vocab_size": 11,
                "precision": "fp32",
                "kv": {"layers": 1, "heads": 1, "head_size": 4, "dtype": "float32"},
                "source": {"id": "made here"},
                "end_ids": [2],
            }
        },
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    edit(manifest)
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest), "utf-8")
    return folder


def test_a_whole_bundle_is_read_and_verified(tmp_path: Path) -> None:
    bundle = read_bundle(write(tmp_path / "b"))
    bundle.verify()
    assert bundle.member("model").end_ids == (2,)
    assert bundle.model_files("model").onnx == (tmp_path / "b/model/model.onnx").resolve()


def set_model(path: str) -> Edit:
    return lambda manifest: manifest["members"]["model"].update(model=path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_model("../outside.onnx"), "'../outside.onnx' leaves the bundle"),
        (set_model("/etc/hostname"), "'/etc/hostname' leaves the bundle"),
        (set_model("model\\model.onnx"), "leaves the bundle"),
        (set_model("model/gone.onnx"), "file 'model/gone.onnx' is missing"),
        (lambda manifest: manifest.update(format=2), "bundle format 2 is not 1"),
        (lambda manifest: manifest.pop("members"), "malformed manifest: .*`members`"),
        (lambda manifest: manifest["members"]["model"].update(end_ids="x"), r"malformed .*\$\.members"),
    ],
)
def test_a_bad_manifest_is_refused_in_one_line(tmp_path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(BundleError, match=message) as raised:
        read_bundle(write(tmp_path / "b", edit))
    assert str(tmp_path / "b") in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"graph!", "has 6 bytes, not 5"), (b"grapH", "does not match its SHA-256")],
)
def test_a_changed_file_is_found(tmp_path: Path, content: bytes, message: str) -> None:
    bundle = read_bundle(write(tmp_path / "b"))
    (tmp_path / "b/model/model.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=f"'model/model.onnx' {message}"):
        bundle.verify()


def test_a_link_that_leads_out_of_the_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", "utf-8")
    folder = write(tmp_path / "b")
    (folder / "model/model.onnx").unlink()
    (folder / "model/model.onnx").symlink_to(tmp_path / "secret")
    with pytest.raises(BundleError, match="leaves the bundle"):
        read_bundle(folder)


def test_a_folder_without_manifest_and_a_manifest_that_is_no_json_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"cannot read the manifest .*is this a bundle"):
        read_bundle(tmp_path)
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xff{")
    with pytest.raises(BundleError, match="malformed manifest"):
        read_bundle(tmp_path)


def test_an_unknown_member_is_suggested(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no member 'modle'. Did you mean 'model'"):
        read_bundle(write(tmp_path / "b")).member("modle")


def test_paths_inside_are_returned_resolved(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/../b") == (tmp_path / "b").resolve()
