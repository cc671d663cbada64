"""One training loop for all stages: replicas on one thread each, checkpoints, progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as processes
from torch import Tensor, distributed
from transformers import LlamaForCausalLM

from recipes.network import Optimizers

Batch = tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to train; `schedule(step, steps)` is the share of the full learning rate."""

    name: str
    steps: int
    rate: float
    decay: float
    seed: int
    check_every: int
    schedule: Callable[[int, int], float]


def run_workers(function: Callable[..., None], arguments: tuple[Any, ...], workers: int, work: Path) -> None:
    """Run `function(*arguments)` in `workers` processes that can share gradients.

    One-thread replicas that meet once a step keep their pace on a busy machine; two threads that meet in
    every operation do not.
    """
    work.mkdir(parents=True, exist_ok=True)
    meeting = (work / "meeting").resolve()
    meeting.unlink(missing_ok=True)
    try:
        processes.spawn(_enter, (function, arguments, workers, str(meeting)), nprocs=workers)  # type: ignore[attr-defined,no-untyped-call]
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from the last checkpoint")


def _enter(
    rank: int, function: Callable[..., None], arguments: tuple[Any, ...], workers: int, meeting: str
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=workers)
    function(*arguments)
    distributed.barrier()
    distributed.destroy_process_group()


def is_first() -> bool:
    """True in the worker that logs and writes."""
    return distributed.get_rank() == 0


def train(
    network: LlamaForCausalLM,
    batches: Iterator[Batch],
    loss_of: Callable[[Batch], Tensor],
    check: Callable[[], dict[str, float]],
    plan: Plan,
    work: Path,
) -> None:
    """Run the steps that are left; each worker reads its share of every batch, and gradients are averaged.

    The first worker logs, runs `check` and keeps a checkpoint every `plan.check_every` steps, from which the
    next call goes on. Dropout is seeded by step and worker, so the number of workers is part of the result.
    """
    rank, workers = distributed.get_rank(), distributed.get_world_size()
    optimizers = Optimizers(network, rate=plan.rate, decay=plan.decay)
    checkpoint = work / f"{plan.name}.pt"
    start = load_checkpoint(checkpoint, network, optimizers)
    distributed.barrier()
    log = Log(work / f"{plan.name}.jsonl", plan.name, plan.steps)
    for step, batch in enumerate(batches):
        if step < start:
            continue
        network.train()
        torch.manual_seed((plan.seed * 1_000_003 + step) * workers + rank)
        loss = loss_of(tuple(part[rank::workers] for part in batch))
        loss.backward()  # type: ignore[no-untyped-call]
        share_gradients(network)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizers.step(plan.schedule(step, plan.steps))
        if rank == 0:
            log.step(step, loss.item())
        if rank == 0 and ((step + 1) % plan.check_every == 0 or step + 1 == plan.steps):
            log.figures(step, check())
            save_checkpoint(checkpoint, network, optimizers, step + 1)


def share_gradients(network: LlamaForCausalLM) -> None:
    """Replace every worker's gradients by their mean."""
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def save_checkpoint(path: Path, network: LlamaForCausalLM, optimizers: Optimizers, step: int) -> None:
    """Write to a temporary name, then rename: an interrupted write leaves the older checkpoint."""
    temporary = path.with_suffix(".tmp")
    torch.save({"step": step, "network": network.state_dict(), "optimizers": optimizers.state()}, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path, network: LlamaForCausalLM, optimizers: Optimizers) -> int:
    """Restore network and optimizers; returns the step to go on from (0 without a checkpoint)."""
    if not path.exists():
        return 0
    state: dict[str, Any] = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizers.restore(state["optimizers"])
    return int(state["step"])


class Log:
    """Progress on standard error, figures as JSON lines."""

    def __init__(self, path: Path, name: str, steps: int) -> None:
        self._path, self._name, self._steps, self._began = path, name, steps, time.monotonic()
        self._done = 0

    def step(self, step: int, loss: float) -> None:
        """A line every ten steps, with the time left."""
        self._done += 1
        if step % 10 == 0:
            left = (time.monotonic() - self._began) / self._done * (self._steps - step) / 60
            self._say(f"step {step}/{self._steps}  loss {loss:.3f}  {left:.0f} min left")
            self._write({"step": step, "loss": round(loss, 4)})

    def figures(self, step: int, figures: dict[str, float]) -> None:
        """What a check found after a step."""
        self._say(
            f"step {step}/{self._steps}  " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
        )
        self._write({"step": step, **{key: round(value, 4) for key, value in figures.items()}})

    def _say(self, line: str) -> None:
        sys.stderr.write(f"{self._name}: {line}\n")

    def _write(self, record: dict[str, float]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
