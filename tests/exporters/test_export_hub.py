from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from baco_core.errors import ExportError
from baco_exporters.fetch import fetch
from baco_exporters.hub import UNWANTED, WANTED
from baco_exporters.progress import Progress

huggingface_hub = pytest.importorskip("huggingface_hub")
requests = pytest.importorskip("requests")  # the client of the hub library that the export extra pins

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def offer(monkeypatch: pytest.MonkeyPatch, result: Path | Exception) -> list[Any]:
    """Let the hub client answer with a folder or an error; return what it is asked."""
    asked: list[Any] = []

    def answer(name: str, **options: Any) -> str:
        asked.append((name, options))
        if isinstance(result, Exception):
            raise result
        return str(result)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", answer)
    return asked


def snapshot(folder: Path, *files: str) -> Path:
    home = folder / COMMIT
    home.mkdir()
    for name in files:
        (home / name).write_text("{}", "utf-8")
    return home


def test_a_hub_model_is_recorded_with_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = snapshot(tmp_path, "config.json", "model.safetensors")
    (home / "README.md").write_text("---\nlicense: other\nlicense_name: llama3\n---\n", "utf-8")
    asked = offer(monkeypatch, home)
    fetched = fetch("org/name@main", Progress())
    assert asked[0][0] == "org/name"
    assert asked[0][1]["revision"] == "main"
    assert (fetched.record.id, fetched.record.revision) == ("org/name", COMMIT)
    assert fetched.record.licence == "llama3"
    assert "Built with Meta Llama 3" in str(fetched.record.notice)


def test_only_data_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import filter_repo_objects

    offer(monkeypatch, snapshot(tmp_path, "config.json", "model.safetensors"))
    wanted = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "tokenizer.model",
        "chat_template.jinja",
        "LICENSE",
    ]
    unwanted = [
        "pytorch_model.bin",
        "model.pt",
        "modeling.py",
        "consolidated.safetensors",
        "onnx/model.json",
        "x.pth",
    ]
    assert (
        list(filter_repo_objects([*wanted, *unwanted], allow_patterns=WANTED, ignore_patterns=UNWANTED))
        == wanted
    )


def test_a_repository_of_pickles_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, snapshot(tmp_path, "config.json"))
    with pytest.raises(
        ExportError, match="org/name: the repository has no safetensors; pickled weights are never"
    ):
        fetch("org/name", Progress())


def refusal(kind: str) -> Exception:
    from huggingface_hub import errors

    if kind == "offline":
        return errors.LocalEntryNotFoundError("cannot find the files, and outgoing traffic is disabled")
    if kind == "network":
        return requests.ConnectionError("no route")
    response = requests.Response()
    response.request = requests.Request("GET", "https://hub.invalid").prepare()
    made: Exception = getattr(errors, kind)("no", response=response)
    return made


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("GatedRepoError", "accept the model's licence"),
        ("RepositoryNotFoundError", "no such public repository"),
        ("RevisionNotFoundError", "no such revision"),
        ("HfHubHTTPError", "could not be fetched from the hub"),
        ("offline", "could not be fetched from the hub"),
        ("network", "could not be fetched from the hub"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, kind: str, reason: str
) -> None:
    offer(monkeypatch, refusal(kind))
    with pytest.raises(ExportError, match=reason) as refused:
        fetch("org/name", Progress())
    assert str(refused.value).startswith("org/name: ")
    assert "\n" not in str(refused.value)
