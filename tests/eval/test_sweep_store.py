"""The files of a sweep: lines that are whole or not there, and one process a folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from baco_eval.records import Generation
from baco_eval.sweep import lock
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.lines import Lines, write_whole
from baco_eval.sweep.lock import locked
from baco_eval.sweep.store import opened_store, read_generations


def text_of(index: int) -> Generation:
    return Generation("p", "gamma=0.3", "fox", index, f"text {index} ü", "stop", 3, 1, (("base", "text"),))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder with three texts."""
    with opened_store(tmp_path, pytest.fail) as store:
        for index in range(3):
            store.add(text_of(index), 0.5)
    return tmp_path


def test_texts_are_read_back_as_they_were_written(filled: Path) -> None:
    assert read_generations(filled / "generations.jsonl") == [text_of(index) for index in range(3)]
    assert len((filled / "times.jsonl").read_bytes().splitlines()) == 3
    assert b"seconds" not in (filled / "generations.jsonl").read_bytes()


def test_a_last_line_that_is_cut_at_any_byte_is_dropped_and_told(filled: Path) -> None:
    path = filled / "generations.jsonl"
    content = path.read_bytes()
    second_end = content.rfind(b"\n", 0, -1) + 1
    for end in range(second_end, len(content)):
        path.write_bytes(content[:end])
        told: list[str] = []
        with opened_store(filled, told.append) as store:
            assert len(store.there) == 2
        assert path.read_bytes() == content[:second_end]
        cut = end - second_end
        assert told == ([f"{path}:3: dropped {cut} bytes of a line that was cut by a crash."] if cut else [])


def test_zeros_that_a_power_cut_left_at_the_end_are_dropped(filled: Path) -> None:
    path = filled / "generations.jsonl"
    content = path.read_bytes()
    path.write_bytes(content + bytes(512))
    with opened_store(filled, lambda line: None) as store:
        store.add(text_of(3), 0.1)
    assert read_generations(path) == [text_of(index) for index in range(4)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{nonsense}", "no generation"),
        (b"", "no generation"),
        (b'{"method":"p"}', "missing required field `setting`"),
        (b'{"method":"\xff"}', "no generation"),
        (msgspec.json.encode(text_of(0)), "line 1 has this text already"),
    ],
)
def test_any_other_bad_line_is_refused_with_its_number(filled: Path, line: bytes, message: str) -> None:
    path = filled / "generations.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line + b"\n", *lines[2:]]))
    before = path.read_bytes()
    with pytest.raises(SweepError) as caught, opened_store(filled, pytest.fail):
        pass
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before, "a file that is refused is left as it is"


def fail_after(count: int, error: int) -> Callable[[int, bytes], int]:
    """Return an os.write that writes `count` bytes of what it is given and then fails."""
    write, written = os.write, 0

    def broken(descriptor: int, data: bytes) -> int:
        nonlocal written
        if written >= count:
            raise OSError(error, os.strerror(error))
        written += write(descriptor, data[: count - written])
        return written

    return broken


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_full_disk_leaves_every_finished_text_and_no_half_line(
    filled: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    path = filled / "generations.jsonl"
    before = path.read_bytes()
    with opened_store(filled, pytest.fail) as store:
        monkeypatch.setattr(os, "write", fail_after(count, errno.ENOSPC))
        with pytest.raises(
            SweepError, match="No space left on device; all finished texts are kept"
        ) as caught:
            store.add(text_of(3), 0.1)
        monkeypatch.undo()
        assert str(path) in str(caught.value)
        assert path.read_bytes() == before
        assert len(store.there) == 3
        store.add(text_of(3), 0.1)
    assert len(read_generations(path)) == 4


def test_a_failing_sync_is_a_text_that_was_not_kept(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    before = (filled / "generations.jsonl").read_bytes()
    with opened_store(filled, pytest.fail) as store:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(SweepError, match="cannot write the file: Input/output error"):
            store.add(text_of(3), 0.1)
        monkeypatch.undo()
    assert (filled / "generations.jsonl").read_bytes() == before


def test_an_interrupt_in_the_middle_of_a_line_leaves_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = Lines(tmp_path / "lines.jsonl")
    lines.append({"a": 1})
    write = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:3])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lines.append({"a": 2})
    monkeypatch.undo()
    lines.append({"a": 3})
    lines.close()
    assert (tmp_path / "lines.jsonl").read_bytes() == b'{"a":1}\n{"a":3}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_device_that_is_full_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "generations.jsonl").symlink_to("/dev/full")
    lines = Lines(tmp_path / "generations.jsonl")
    with pytest.raises(SweepError, match="No space left on device"):
        lines.append({"a": 1})
    lines.close()


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.json"
    write_whole(path, b"old")

    def broken(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(SweepError, match="No space left"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


HOLD = """
import sys, time
from pathlib import Path
from baco_eval.sweep.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SweepError, match=f"process {holder.pid} is writing here"), locked(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate(timeout=60)
    assert (tmp_path / "lock").read_text() == f"{holder.pid}\n", "what a killed process leaves"
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "lock").read_text() == ""


def test_a_lock_is_let_go_of_when_its_holder_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), locked(tmp_path):
        raise ValueError("mine")
    with locked(tmp_path):
        pass


def test_what_cannot_be_read_or_locked_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(descriptor: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / "generations.jsonl").mkdir()
    with pytest.raises(SweepError, match=r"generations.jsonl: cannot read the file: "):
        read_generations(tmp_path / "generations.jsonl")
    monkeypatch.setattr(lock, "_take", unable)
    with pytest.raises(SweepError, match=r"lock: cannot lock the folder: No locks"), locked(tmp_path):
        pass
