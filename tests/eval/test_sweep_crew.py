"""What the driver of a crew does when workers die, over a made-up Ray that runs them in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sweep_world import lines_of
from test_sweep_worker import plain_sweep

from baco_core.errors import BacoError
from baco_eval.sweep import crew
from baco_eval.sweep.crew import OnRay
from baco_eval.sweep.recipe import Failed, packed
from baco_eval.sweep.worker import Worker


class RayError(Exception):
    """Base of the made-up Ray's errors."""


class ActorDiedError(RayError):
    """A worker died."""


class RayTaskError(RayError):
    """A worker raised."""


class MadeUpRay:
    """Answers as Ray does. `deadly` maps the number of an answer to what getting it raises instead."""

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, deadly: dict[int, Exception | bytes]) -> None:
        self.deadly = deadly
        self.got = self.killed = self.hired = 0

    def nodes(self) -> list[dict[str, bool]]:
        return [{"Alive": True}]

    def put(self, item: bytes) -> bytes:
        return item

    def remote(self, **needs: Any) -> Any:
        assert needs["max_restarts"] == 0
        return lambda kind: SimpleNamespace(remote=self._hire)

    def _hire(self, recipe: bytes) -> Any:
        self.hired += 1
        worker = Worker(recipe)
        write = SimpleNamespace(remote=lambda order: _Stream(worker.write(order)))
        return SimpleNamespace(
            begin=SimpleNamespace(remote=lambda: _Later(worker.begin)),
            write=SimpleNamespace(options=lambda num_returns: write),
        )

    def wait(self, waited: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return waited[-1:], waited[:-1]

    def get(self, answer: Any) -> bytes:
        self.got += 1
        deadly = self.deadly.get(self.got)
        if isinstance(deadly, Exception):
            raise deadly
        return deadly or (answer.call() if isinstance(answer, _Later) else answer)

    def kill(self, actor: object) -> None:
        self.killed += 1


class _Later:
    def __init__(self, call: Any) -> None:
        self.call = call


class _Stream:
    def __init__(self, answers: Iterator[bytes]) -> None:
        self.answers = answers

    def __next__(self) -> bytes:
        return next(self.answers)


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, deadly: dict[int, Exception | bytes]
) -> tuple[list[str], MadeUpRay]:
    ray, told = MadeUpRay(deadly), list[str]()

    @contextmanager
    def made_up(address: str, cpus: int) -> Iterator[MadeUpRay]:
        yield ray

    monkeypatch.setattr(crew, "cluster", made_up)
    try:
        plain_sweep().run(folder, told.append, OnRay(workers=2))
    except BacoError as error:
        told.append(f"{type(error).__name__}: {error}")
    assert ray.killed >= ray.hired, "no worker outlives the sweep"
    return told, ray


def test_texts_of_workers_that_died_are_written_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = ActorDiedError("The actor died.\nmany\nlines")
    told, ray = run(tmp_path / "died", monkeypatch, {1: died, 6: died, 12: died, 13: died})
    assert all("a worker died" in line for line in told[:-1])
    assert [line.split(":")[0] for line in told[:2]] == [
        "opening the pair",
        "p default, prompt 'cat' and on",
    ]
    assert ray.hired == 2 + 4
    run(tmp_path / "well", monkeypatch, {})
    assert lines_of(tmp_path / "died") == lines_of(tmp_path / "well")
    plain_sweep().run(tmp_path / "local", told.append)
    assert lines_of(tmp_path / "well") == lines_of(tmp_path / "local")


def test_a_chunk_that_workers_die_of_again_and_again_ends_the_sweep_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, _ = run(tmp_path, monkeypatch, {number: ActorDiedError("gone") for number in range(1, 99)})
    assert told[-1].startswith("SweepError: opening the pair: 3 workers died of it, the last; look for")
    assert "\n" not in told[-1]
    assert told[-2] == f"0 of 18 texts are kept in {tmp_path}; the same command goes on."


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (packed(Failed("p a, prompt 'x': no.")), "SweepError: p a, prompt 'x': no."),
        (packed(Failed("ours.", ours=True)), "InternalError: ours."),
        (
            RayTaskError("ray::Worker\n  Traceback\nKeyError: 'x'"),
            "InternalError: worker on HERE: KeyError: 'x'.",
        ),
    ],
)
def test_what_a_worker_fails_with_arrives_as_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Exception | bytes, message: str
) -> None:
    monkeypatch.setattr("baco_eval.sweep.worker._machine", lambda: "HERE")
    told, _ = run(tmp_path, monkeypatch, {4: answer})
    assert told[-1] == message
    assert "texts are kept in" in told[-2]


def test_a_worker_that_cannot_begin_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = RayTaskError("The actor failed to import.\nModuleNotFoundError: No module 'baco_eval'")
    told, _ = run(tmp_path, monkeypatch, {1: lacks})
    assert told[-1] == (
        "SweepError: no worker can begin: ModuleNotFoundError: No module 'baco_eval'; is BACo installed "
        "on every machine?"
    )
