"""A sweep over the tiny pair: what it writes, and how it goes on or refuses to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sweep_world import lines_of, made_sweep, sweep_data

from baco_core.cli import main
from baco_core.config_yaml import parse_yaml, to_yaml
from baco_core.errors import BacoError
from baco_core.pipeline import Pipeline
from baco_eval.records import Generation
from baco_eval.sweep.config import load_sweep, sweep_from_data
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.lines import Lines
from baco_eval.sweep.progress import Progress
from baco_eval.sweep.store import read_generations

SEVERAL = [
    {"router": {"use": "p", "options": {"gamma": [0.2, 0.6]}}},
    {"use": "in-context", "sampler": {"use": "multinomial", "options": {"temperature": 1.5}}},
]


def silent(line: str) -> None:
    """Take a line of progress."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep: 3 settings x 2 prompts x 3 texts."""
    folder = tmp_path_factory.mktemp("sweeps") / "whole"
    made_sweep(n=3, methods=SEVERAL).run(folder, silent)
    return folder


def copied(whole: Path, folder: Path, lines: Sequence[bytes] | None = None) -> Path:
    """Return a copy of a sweep's folder with these lines only."""
    folder.mkdir()
    for name in ("manifest.json", "sweep.yaml", "generations.jsonl"):
        (folder / name).write_bytes((whole / name).read_bytes())
    if lines is not None:
        (folder / "generations.jsonl").write_bytes(b"".join(lines))
    return folder


def test_every_text_of_the_grid_is_written_once(whole: Path) -> None:
    texts = read_generations(whole / "generations.jsonl")
    assert {text.key for text in texts} == {
        (*setting, prompt, index)
        for setting in (("p", "gamma=0.2"), ("p", "gamma=0.6"), ("in-context", "default"))
        for prompt in ("fox", "lighthouse")
        for index in range(3)
    }
    assert len(texts) == 18
    for text in texts:
        assert "".join(piece for _, piece in text.pieces) == text.text
        assert text.tokens == 4
    assert {text.base_share for text in texts if text.method == "in-context"} == {0}
    assert any(text.base_tokens for text in texts)


def test_texts_are_those_that_the_pipeline_writes(whole: Path) -> None:
    sweep = made_sweep(n=3, methods=SEVERAL)
    pipeline = Pipeline.from_config(sweep.config_of(sweep.cells[1], "2026-01-02"), sweep.plugins)
    samples = pipeline.generate("Tell me a story about a fox.")
    wanted = {sample.index: (sample.text, sample.usage.base_tokens) for sample in samples}
    found = {
        text.index: (text.text, text.base_tokens)
        for text in read_generations(whole / "generations.jsonl")
        if text.key[:3] == ("p", "gamma=0.6", "fox")
    }
    assert {index: found[index] for index in wanted} == wanted


def test_any_part_of_it_is_completed_to_the_same_texts(whole: Path, tmp_path: Path) -> None:
    lines = (whole / "generations.jsonl").read_bytes().splitlines(keepends=True)
    for number, kept in enumerate((lines[:1], lines[:11], lines[::2], lines[-1:])):
        folder = copied(whole, tmp_path / str(number), kept)
        made_sweep(n=3, methods=SEVERAL).run(folder, silent)
        assert lines_of(folder) == lines_of(whole)


def test_a_finished_sweep_opens_no_model(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "from_config", lambda *_: pytest.fail("opened"))
    told: list[str] = []
    made_sweep(n=3, methods=SEVERAL).run(whole, told.append)
    assert told == ["18 of 18 texts are there; 0 of them written now, in 0 s."]


def test_the_folder_says_what_its_texts_were_made_of(whole: Path) -> None:
    manifest = json.loads((whole / "manifest.json").read_bytes())
    assert manifest["format"] == 1
    assert manifest["task"]["name"] == "little"
    assert manifest["task"]["prompts"] == 2
    assert list(manifest["bundles"]) == ["tiny"]
    assert {len(manifest["config_sha256"]), len(manifest["task"]["sha256"])} == {64}
    assert {"baco", "onnxruntime", "numpy"} <= set(manifest["versions"])
    assert [setting["id"] for setting in manifest["settings"]] == ["gamma=0.2", "gamma=0.6", "default"]
    again = sweep_from_data(parse_yaml((whole / "sweep.yaml").read_text(), "sweep.yaml"), "sweep.yaml")
    assert again == made_sweep(n=3, methods=SEVERAL).config
    assert (whole / "lock").read_text() == ""
    assert len((whole / "times.jsonl").read_bytes().splitlines()) == 18


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 4}, "was begun with another config: n was 3 and is 4;"),
        ({"seed": 1}, "another config: seed was 0 and is 1;"),
        ({"methods": SEVERAL[:1]}, "another config: methods[1] was {'use': 'in-context', "),
        ({"task": {"use": "little", "options": {"count": 3}}}, "config: task.options.count was 2 and is 3;"),
        ({"prompts": {"system": "Be brief."}}, "prompts.system was not there and is 'Be brief.';"),
    ],
)
def test_another_config_is_refused_and_told_apart(whole: Path, changes: dict[str, Any], message: str) -> None:
    before = lines_of(whole)
    with pytest.raises(SweepError) as caught:
        made_sweep(**{"n": 3, "methods": SEVERAL, **changes}).run(whole, silent)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert lines_of(whole) == before


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("task", "sha256"), "other prompts: task.sha256 was 'x' and is '"),
        (("bundles", "tiny"), "other bundles: bundles.tiny was 'x' and is '"),
        (("versions", "onnxruntime"), "other versions: versions.onnxruntime was 'x' and is '"),
        (("config_sha256",), "another config: config_sha256 was 'x' and is '"),
    ],
)
def test_other_prompts_bundles_and_versions_are_refused(
    whole: Path, tmp_path: Path, keys: tuple[str, ...], message: str
) -> None:
    folder = copied(whole, tmp_path / "copy")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    inner = manifest
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = "x"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SweepError) as caught:
        made_sweep(n=3, methods=SEVERAL).run(folder, silent)
    assert message in str(caught.value)
    assert str(caught.value).endswith("; put that back, or name another folder.")


def test_a_malformed_manifest_and_texts_without_one_are_refused(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path / "copy")
    (folder / "manifest.json").write_text("{")
    with pytest.raises(SweepError, match=r"manifest.json: malformed manifest: "):
        made_sweep(n=3, methods=SEVERAL).run(folder, silent)
    (folder / "manifest.json").unlink()
    with pytest.raises(BacoError, match=r"copy: texts, but no manifest.json; name another folder"):
        made_sweep(n=3, methods=SEVERAL).run(folder, silent)


@pytest.mark.parametrize("change", [{"index": 3}, {"prompt": "boat"}, {"setting": "gamma=9"}, {"index": -1}])
def test_a_text_that_was_not_asked_for_is_refused(
    whole: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    lines = (whole / "generations.jsonl").read_bytes().splitlines(keepends=True)
    lines[1] = json.dumps({**json.loads(lines[1]), **change}).encode() + b"\n"
    folder = copied(whole, tmp_path / "copy", lines)
    with pytest.raises(SweepError, match=r"generations.jsonl:2: this sweep has no text "):
        made_sweep(n=3, methods=SEVERAL).run(folder, silent)


def test_a_full_disk_ends_the_sweep_and_it_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, count = Lines.append, 0

    def full(self: Lines, item: Any) -> None:
        nonlocal count
        count += isinstance(item, Generation)
        if count == 4:
            monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        append(self, item)

    told: list[str] = []
    monkeypatch.setattr(Lines, "append", full)
    with pytest.raises(SweepError, match=r"generations.jsonl: No space left; all finished texts are kept"):
        made_sweep().run(tmp_path / "full", told.append)
    monkeypatch.undo()
    assert told == [f"3 of 8 texts are kept in {tmp_path / 'full'}; the same command goes on."]
    made_sweep().run(tmp_path / "full", told.append)
    made_sweep().run(tmp_path / "roomy", told.append)
    assert lines_of(tmp_path / "full") == lines_of(tmp_path / "roomy")
    assert told[1] == "going on: 3 of 8 texts are there."


def test_a_prompt_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps({"id": "long", "prompt": "fox " * 5000}) + "\n")
    sweep = made_sweep(task={"use": "jsonl", "options": {"path": str(path)}})
    with pytest.raises(BacoError, match=r"^p gamma=0.2, prompt 'long': ") as caught:
        sweep.run(tmp_path / "out", silent)
    assert "\n" not in str(caught.value)


def test_progress_tells_rate_and_time_to_go() -> None:
    now = 0.0
    told: list[str] = []
    progress = Progress(100, 20, told.append, every=10, clock=lambda: now)
    for _ in range(30):
        now += 1
        progress.count("p gamma=0.3")
    progress.end()
    assert told == [
        "30 of 100 texts (30 %), 1 a second, about 1 min 10 s to go (p gamma=0.3)",
        "40 of 100 texts (40 %), 1 a second, about 1 min to go (p gamma=0.3)",
        "50 of 100 texts (50 %), 1 a second, about 50 s to go (p gamma=0.3)",
        "50 of 100 texts are there; 30 of them written now, in 30 s.",
    ]


def sweep_file(folder: Path, **changes: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(to_yaml(sweep_data(task={"use": "creative", "options": {"limit": 2}}, **changes)))
    return path


def test_the_command_writes_lists_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = sweep_file(tmp_path), tmp_path / "deep" / "out"
    arguments = ["sweep", "-c", str(path), "--out", str(out)]
    assert main([*arguments, "--list"]) == 0
    listed = capsys.readouterr()
    assert listed.out == "p\tgamma=0.2\np\tgamma=0.6\n"
    assert listed.err == "2 settings x 2 prompts x 2 = 8 texts\n"
    assert not out.exists()
    assert main([*arguments, "--set", "n=1"]) == 0
    assert capsys.readouterr().err.startswith("4 of 4 texts are there; 4 of them written now")
    assert len(lines_of(out)) == 4
    assert load_sweep(out / "sweep.yaml").n == 1
    assert main(arguments) == 2
    assert capsys.readouterr().err == (
        f"baco: error: {out}: was begun with another config: n was 1 and is 2; put that back, or name "
        "another folder.\n"
    )
    assert main(["sweep", "-c", str(path), "--out", str(path)]) == 2
    assert capsys.readouterr().err == f"baco: error: --out: {path}: cannot make the folder: File exists.\n"
    assert main(["sweep", "-c", str(path)]) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_ends_with_130_and_keeps_what_was_finished(tmp_path: Path) -> None:
    path, out = sweep_file(tmp_path, n=500), tmp_path / "out"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-m", "baco_core.cli", "sweep", "-c", str(path), "--out", str(out)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    texts, until = out / "generations.jsonl", time.monotonic() + 60
    while not (texts.exists() and texts.stat().st_size > 500) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    kept = len(read_generations(texts))
    assert kept
    assert told.splitlines() == [
        f"{kept} of 2000 texts are kept in {out}; the same command goes on.",
        "baco: interrupted.",
    ]
