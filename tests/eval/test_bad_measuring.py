"""What can be wrong with a sweep and its folder, through the command line: one line that names it, exit 2."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sweep_world import lines_of, sweep_data

from baco_core.cli import main
from baco_core.config_yaml import to_yaml
from baco_eval.sweep.lock import locked

METHODS = [{"router": {"use": "p", "options": {"gamma": [0.3, 0.6]}}}, {"router": {"use": "aligned"}}]
METRICS = ("--metrics", "distinct-1,length")
SIZE = 3 * 2 * 2


def write_sweep(folder: Path, **changes: Any) -> Path:
    path = folder / "sweep.yaml"
    data = sweep_data(task={"use": "jsonl", "options": {"path": "./prompts.jsonl"}}, methods=METHODS)
    path.write_text(to_yaml({**data, **changes}))
    return path


def write_prompts(folder: Path, *lines: object) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "prompts.jsonl").write_text("".join(f"{text}\n" for text in texts))


TWO = ({"id": "fox", "prompt": "Tell me of a fox."}, {"id": "sea", "prompt": "Tell me of the sea."})


def sweep(folder: Path, *more: str) -> list[str]:
    return ["sweep", "-c", str(folder / "sweep.yaml"), "--out", str(folder / "out"), *more]


def score(folder: Path, *more: str) -> list[str]:
    return ["score", str(folder / "out"), *METRICS, *more]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prompts, a sweep, its texts and their scores."""
    folder = tmp_path_factory.mktemp("bad")
    write_prompts(folder, *TWO)
    write_sweep(folder)
    assert main(sweep(folder)) == 0
    assert main(score(folder)) == 0
    return folder


@pytest.fixture
def world(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it."""
    shutil.copytree(scored, tmp_path / "world")
    path = tmp_path / "world" / "out" / "sweep.yaml"
    path.write_text(path.read_text().replace(str(scored), str(tmp_path / "world")))
    monkeypatch.chdir(tmp_path / "world")
    return Path()


Told = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command that must fail with 2; return its one line of error. `before` lines tell of progress."""

    def run(arguments: list[str], before: int = 0) -> str:
        capsys.readouterr()
        assert main(arguments) == 2
        told = capsys.readouterr()
        assert told.out == ""
        lines = told.err.splitlines()
        assert len(lines) == before + 1, told.err
        return lines[-1].removeprefix("baco: error: ")

    return run


def change_line(path: Path, number: int, line: bytes | Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Put another line in the place of one, or what a function makes of its data."""
    lines = path.read_bytes().splitlines()
    lines[number] = line if isinstance(line, bytes) else json.dumps(line(json.loads(lines[number]))).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "prompts.jsonl: "),
        (("", "  "), "prompts.jsonl"),
        (("{",), "prompts.jsonl:1: "),
        (({"prompt": "one"}, {"text": "two"}), "prompts.jsonl:2: "),
        (({"prompt": "one"}, {"prompt": 3}), "prompts.jsonl:2: "),
        (({"prompt": "one"}, {"prompt": " "}), "prompts.jsonl:2: "),
        (({"id": "a", "prompt": "one"}, {"id": "a", "prompt": "two"}), "'a'"),
        (({"prompt": "one"}, "[1, 2]"), "prompts.jsonl:2: "),
    ],
)
def test_bad_prompts_are_named_before_anything_is_made(
    tmp_path: Path, refused: Told, lines: tuple[object, ...], message: str
) -> None:
    write_sweep(tmp_path)
    write_prompts(tmp_path, *lines)
    assert message in refused(sweep(tmp_path))
    assert not (tmp_path / "out").exists()


def test_a_lost_file_of_prompts_is_named(world: Path, refused: Told) -> None:
    (world / "prompts.jsonl").unlink()
    assert "prompts.jsonl" in refused(sweep(world))
    assert "prompts.jsonl" in refused(score(world))


@pytest.mark.parametrize("n", [1, 2])
def test_one_prompt_and_one_text_of_it_are_a_sweep_that_says_what_cannot_be_measured(
    tmp_path: Path, refused: Told, n: int, capsys: pytest.CaptureFixture[str]
) -> None:
    write_prompts(tmp_path, TWO[0])
    write_sweep(tmp_path, n=n, methods=METHODS[1:])
    assert main(sweep(tmp_path)) == 0
    assert main(["score", str(tmp_path / "out"), "--metrics", "distinct-1,self-bleu,length"]) == 0
    told = capsys.readouterr().err
    assert ("self-bleu: 0 measured now, 0 before; 1 not measured (" in told) == (n == 1)
    wanted = "n = 1, one text a prompt" if n == 1 else "run baco score"
    report = ["report", str(tmp_path / "out"), "--resamples", "20"]
    assert wanted in refused(report) or n == 2


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda d: change_line(d / "generations.jsonl", 2, b"{"), "generations.jsonl:3: this line is no gen"),
        (lambda d: change_line(d / "generations.jsonl", 2, b""), "generations.jsonl:3: this line is no gen"),
        (
            lambda d: change_line(d / "generations.jsonl", 2, lambda one: {**one, "text": None}),
            "generations.jsonl:3: this line is no generation: Expected `str`, got `null`",
        ),
        (
            lambda d: change_line(d / "generations.jsonl", 2, lambda one: {**one, "tokens": float("nan")}),
            "generations.jsonl:3: this line is no generation:",
        ),
        (
            lambda d: change_line(
                d / "generations.jsonl", 2, (d / "generations.jsonl").read_bytes().splitlines()[0]
            ),
            "generations.jsonl:3: line 1 has this text already",
        ),
        (
            lambda d: change_line(d / "generations.jsonl", 2, lambda one: {**one, "prompt": "moon"}),
            "generations.jsonl:3: this sweep has no text ",
        ),
        (
            lambda d: change_line(d / "generations.jsonl", 2, lambda one: {**one, "index": 7}),
            "generations.jsonl:3: this sweep has no text 7 of prompt ",
        ),
        (
            lambda d: change_line(d / "generations.jsonl", 2, lambda one: {**one, "setting": "gamma=9"}),
            "generations.jsonl:3: this sweep has no text ",
        ),
        (lambda d: (d / "manifest.json").write_text("[]"), "manifest.json: malformed manifest"),
        (lambda d: (d / "manifest.json").write_bytes(b"\xff"), "manifest.json: malformed manifest"),
        (lambda d: (d / "manifest.json").unlink(), "manifest.json"),
        (lambda d: _to_folder(d / "generations.jsonl"), "generations.jsonl: cannot read the file: Is a "),
    ],
)
@pytest.mark.parametrize("command", [sweep, score])
def test_a_damaged_folder_is_named_by_file_and_line_and_left_as_it_is(
    world: Path,
    refused: Told,
    harm: Callable[[Path], object],
    message: str,
    command: Callable[[Path], list[str]],
) -> None:
    harm(world / "out")
    before = _contents(world / "out")
    assert message in refused(command(world))
    assert _contents(world / "out") == before


def _to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "distinct-1.jsonl:2: this line is no score: "),
        (b"", "distinct-1.jsonl:2: this line is no score: "),
        (b"null", "distinct-1.jsonl:2: this line is no score: "),
        (lambda one: {**one, "value": float("nan")}, "distinct-1.jsonl:2: this line is no score: "),
        (lambda one: {**one, "value": float("inf")}, "distinct-1.jsonl:2: this line is no score: "),
    ],
)
def test_damaged_scores_are_named_by_line(
    world: Path,
    refused: Told,
    line: bytes | Callable[[dict[str, Any]], dict[str, Any]],
    message: str,
) -> None:
    change_line(world / "out" / "scores" / "distinct-1.jsonl", 1, line)
    assert message in refused(score(world))
    assert message in refused(["report", str(world / "out")])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("task", "sha256"), "was begun with other prompts: task.sha256 was 'x' and is '"),
        (("bundles", "tiny"), "was begun with other bundles: bundles.tiny was 'x' and is '"),
        (("versions", "baco"), "was begun with other versions: versions.baco was 'x' and is '"),
        (("config_sha256",), "was begun with another config: config_sha256 was 'x' and is '"),
    ],
)
def test_wrong_hashes_are_told_apart_when_a_sweep_goes_on(
    world: Path, refused: Told, keys: tuple[str, ...], message: str
) -> None:
    path = world / "out" / "manifest.json"
    data = inner = json.loads(path.read_bytes())
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = "x"
    path.write_text(json.dumps(data))
    assert message in refused(sweep(world))


def test_prompts_that_have_changed_are_told(world: Path, refused: Told) -> None:
    write_prompts(world, TWO[0], {**TWO[1], "prompt": "Tell me of the moon."})
    assert "was begun with other prompts" in refused(sweep(world))
    assert "prompts" in refused(score(world))


def test_a_last_line_that_was_cut_is_repaired_and_an_unfinished_sweep_is_not_scored(
    world: Path, refused: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    path, before = world / "out" / "generations.jsonl", lines_of(world / "out")
    path.write_bytes(path.read_bytes()[:-5])
    assert f"{SIZE - 1} of {SIZE} texts are there; finish baco sweep first" in refused(score(world))
    assert main(sweep(world)) == 0
    told = capsys.readouterr().err.splitlines()
    assert f"generations.jsonl:{SIZE}: dropped " in told[0]
    assert lines_of(world / "out") == before


def test_a_second_process_is_refused(world: Path, refused: Told) -> None:
    with locked(world / "out"):
        for arguments in (sweep(world), score(world)):
            assert refused(arguments) == f"out: process {os.getpid()} is writing here; let it end first."


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: what a full disk does, done by the system."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files")
def test_a_full_disk_is_told_and_loses_nothing(world: Path, refused: Told) -> None:
    before = lines_of(world / "out")
    path = world / "out" / "generations.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    with small_files(path.stat().st_size + 300):
        told = refused(sweep(world), before=2)
    assert told.startswith("out/generations.jsonl: File too large; all finished texts are kept: make room,")
    assert 5 <= len(lines_of(world / "out")) < SIZE
    assert main(sweep(world)) == 0
    assert lines_of(world / "out") == before
    scores = world / "out" / "scores" / "length.jsonl"
    wanted = sorted(scores.read_bytes().splitlines())
    scores.write_bytes(b"".join(scores.read_bytes().splitlines(keepends=True)[:2]))
    with small_files(scores.stat().st_size + 150):
        told = refused(score(world), before=2)
    assert told.startswith("out/scores/length.jsonl: File too large;")
    assert main(score(world)) == 0
    assert sorted(scores.read_bytes().splitlines()) == wanted


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits the size of files")
def test_a_full_disk_at_the_beginning_leaves_no_half_manifest(tmp_path: Path, refused: Told) -> None:
    write_prompts(tmp_path, *TWO)
    write_sweep(tmp_path)
    with small_files(100):
        told = refused(sweep(tmp_path))
    assert "File too large" in told
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert main(sweep(tmp_path)) == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do all")
def test_a_folder_without_permission_is_named(world: Path, refused: Told) -> None:
    (world / "out").chmod(0o500)
    try:
        for arguments in (sweep(world), score(world)):
            assert "Permission denied" in refused(arguments)
    finally:
        (world / "out").chmod(0o700)


@pytest.mark.parametrize("code", ["EACCES", "EROFS", "EIO"])
def test_a_file_that_cannot_be_opened_is_named(
    world: Path, refused: Told, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    import errno

    number = getattr(errno, code)
    original = os.open

    def broken(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_CREAT | os.O_RDWR) and "out" in str(path):
            raise OSError(number, os.strerror(number), path)
        return original(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", broken)
    for arguments in (sweep(world), score(world)):
        assert refused(arguments) == f"out/lock: cannot write the file: {os.strerror(number)}."


@pytest.mark.parametrize("folder", ["nowhere", "prompts.jsonl", "."])
def test_what_is_no_sweeps_folder_is_refused(world: Path, refused: Told, folder: str) -> None:
    told = refused(["score", folder])
    assert told.startswith(f"{folder}: ")
    assert "sweep" in told


def test_no_word_in_any_text_is_no_failure_of_ours(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = world / "out" / "generations.jsonl"
    for number in range(SIZE):
        change_line(
            path, number, lambda one: {**one, "text": "", "tokens": 0, "base_tokens": 0, "pieces": []}
        )
    shutil.rmtree(world / "out" / "scores")
    assert main(["score", str(world / "out"), "--metrics", "distinct-1,self-bleu,base-share,repetition"]) == 0
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "message"),
    [("distinct", "--metrics: unknown metric 'distinct'"), ("length,length", "'length' is there twice")],
)
def test_wrong_metrics_are_named(world: Path, refused: Told, names: str, message: str) -> None:
    assert message in refused(["score", str(world / "out"), "--metrics", names])
