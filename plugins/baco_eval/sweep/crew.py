"""Writes the texts of a sweep by workers of a Ray cluster; only this process writes files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import msgspec

from baco_core.errors import BacoError, InternalError
from baco_eval.sweep.cluster import OWN, cluster
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.recipe import Failed, Ready, Told, Written, order_of, packed, recipe_of, told
from baco_eval.sweep.work import Chunk, Finished, Work, lacking, planned, usual_size
from baco_eval.sweep.worker import THREADS, Worker

TRIES = 3
"""How many workers may die of one chunk."""
PATIENCE_S = 60.0
"""After how long to say that no worker has begun."""


@dataclass(frozen=True, slots=True)
class OnRay:
    """Workers on a Ray cluster, each with the pair opened once. Texts are those of `Local`.

    `address` is Ray's (`auto`, `HOST:PORT`), or `local` for a cluster of our own on this machine. Without
    `workers` there is one a machine, with all of its cores, as `Local` has them.
    """

    address: str = OWN
    workers: int | None = None

    def write(self, work: Work) -> Generator[Finished, None, None]:
        """Yield each text that lacks as soon as a worker has finished it (see `Executor`)."""
        needs, recipe = _needs(work), recipe_of(work)
        with cluster(self.address, needs["num_cpus"] * (self.workers or 1)) as ray:
            try:
                machines = max(1, sum(node["Alive"] for node in ray.nodes()))
                workers = self.workers or machines
                recipe = msgspec.structs.replace(recipe, beside=ceil(workers / machines))
                crew = _Crew(ray, ray.put(packed(recipe)), work, workers, needs)
                yield from crew.texts()
            except ray.exceptions.RayError as error:
                raise SweepError(f"Ray: {_line(error)}") from error


def _needs(work: Work) -> dict[str, Any]:
    """Return what a worker takes of a machine, in Ray's words."""
    options = work.config.backend.options
    cuda = "cuda" in options.get("providers", ())
    return {"num_cpus": max(1, int(options.get(THREADS, 1))), **({"num_gpus": 1} if cuda else {})}


@dataclass(slots=True)
class _Hand:
    actor: Any
    chunk: Chunk | None = None
    machine: str = ""


class _Crew:
    def __init__(self, ray: Any, recipe: Any, work: Work, workers: int, needs: dict[str, Any]) -> None:
        self._ray = ray
        self._work = work
        self._recipe = recipe
        self._actor = ray.remote(max_restarts=0, scheduling_strategy="SPREAD", **needs)(Worker)
        self._chunks = planned(work, usual_size(work, workers))
        self._workers = min(workers, len(self._chunks))
        self._waiting: dict[Any, _Hand] = {}  # by what Ray waits for
        self._idle: list[_Hand] = []
        self._deaths: Counter[str] = Counter()

    def texts(self) -> Iterator[Finished]:
        """Yield texts until none lacks; the workers end however this ends."""
        try:
            for _ in range(self._workers):
                self._hire()
            begun = time.monotonic()
            while self._chunks or any(hand.chunk for hand in self._waiting.values()):
                ready, _ = self._ray.wait(list(self._waiting), timeout=PATIENCE_S)
                if not ready and time.monotonic() - begun >= PATIENCE_S and not self._begun():
                    self._work.tell("no worker has begun yet: the cluster may have no room for one.")
                for waited in ready:
                    yield from self._attend(waited)
                self._give_out()
        finally:
            for hand in [*self._idle, *self._waiting.values()]:
                self._ray.kill(hand.actor)

    def _begun(self) -> bool:
        return any(hand.machine for hand in [*self._idle, *self._waiting.values()])

    def _hire(self) -> None:
        actor = self._actor.remote(self._recipe)
        self._waiting[actor.begin.remote()] = _Hand(actor)

    def _give_out(self) -> None:
        """Give each idle worker the next chunk that waits for nothing."""
        self._chunks = [
            chunk
            for chunk in self._chunks
            if any(key not in self._work.there for key in chunk.keys(self._work.config.n))
        ]
        while self._idle:
            chunk = next((one for one in self._chunks if not lacking(self._work, one.cell.setting)), None)
            if chunk is None:
                return
            self._chunks.remove(chunk)
            hand = self._idle.pop()
            hand.chunk = chunk
            write = hand.actor.write.options(num_returns="streaming")
            self._waiting[write.remote(packed(order_of(chunk, self._work)))] = hand

    def _attend(self, waited: Any) -> Iterator[Finished]:
        """Yield what a worker has finished; take note of one that is ready, has nothing to do, or died."""
        hand, errors = self._waiting[waited], self._ray.exceptions
        try:
            answer = self._answer(waited, hand)
        except errors.RayTaskError as error:
            raise self._broken(hand, error) from error
        except errors.RayError as error:
            del self._waiting[waited]
            self._replace(hand, error)
            return
        if isinstance(answer, Failed):
            raise InternalError(answer.message) if answer.ours else SweepError(answer.message)
        if isinstance(answer, Written):
            yield answer.text, answer.seconds
            return
        del self._waiting[waited]
        if isinstance(answer, Ready):
            hand.machine = answer.machine
        hand.chunk = None
        self._idle.append(hand)

    def _answer(self, waited: Any, hand: _Hand) -> Told | None:
        """Return what was answered, None when a chunk is at its end."""
        if hand.chunk is None:
            return told(self._ray.get(waited))
        try:
            return told(self._ray.get(next(waited)))
        except StopIteration:
            return None

    def _replace(self, hand: _Hand, error: Exception) -> None:
        """Let another worker do what a dead one had in hand; SweepError when too many died of it."""
        self._ray.kill(hand.actor)
        where = f" on {hand.machine}" if hand.machine else ""
        label = _label(hand.chunk) if hand.chunk else "opening the pair"
        self._deaths[label] += 1
        if self._deaths[label] >= TRIES:
            raise SweepError(
                f"{label}: {TRIES} workers died of it, the last{where}; look for the reason in Ray's logs "
                "there (often too little memory), or use fewer --workers."
            ) from error
        self._work.tell(f"{label}: a worker died{where}; another one goes on.")
        if hand.chunk:
            self._chunks.insert(0, hand.chunk)
        self._hire()

    def _broken(self, hand: _Hand, error: Exception) -> BacoError:
        """Return the error for what a worker should not have raised."""
        if not hand.machine:
            return SweepError(f"no worker can begin: {_line(error)}; is BACo installed on every machine?")
        return InternalError(f"worker on {hand.machine}: {_line(error)}.")


def _label(chunk: Chunk) -> str:
    return f"{chunk.cell.setting.method} {chunk.cell.setting.id}, prompt {chunk.prompts[0].id!r} and on"


def _line(error: Exception) -> str:
    """Return the last line of what Ray says, which has the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
