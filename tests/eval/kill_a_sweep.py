"""Runs sweeps under a folder, killing them at random moments: `python kill_a_sweep.py FOLDER KILLS SEED`.

A program of its own because it forks: its modules are loaded once, and it has no threads and no models.
How fast a machine writes decides how many kills a sweep lives to see; where one ends early, another takes
the rest.
Prints for each sweep how large its texts' file was after each kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from sweep_world import made_sweep

BIG = {
    "n": 12,
    "task": {"use": "little"},
    "decode": {"max_new_tokens": 5, "batch": 3},
    "methods": [
        {"router": {"use": "p", "options": {"gamma": [0.1, 0.4]}}},
        {"sampler": {"use": "multinomial", "options": {"temperature": [0.8, 1.3]}}},
        {"use": "in-context", "router": {"use": "rand", "options": {"gamma": 0.5}}},
    ],
}
PATIENCE_S = 60


def begin(folder: Path) -> int:
    """Run the sweep in a process of its own and return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        made_sweep(**BIG).run(folder, lambda line: None)
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def size(folder: Path) -> int:
    path = folder / "generations.jsonl"
    return path.stat().st_size if path.exists() else 0


def ended(child: int) -> bool:
    """Return whether the sweep is at its end; SystemExit when it failed."""
    gone, status = os.waitpid(child, os.WNOHANG)
    if gone and os.waitstatus_to_exitcode(status):
        sys.exit("the sweep failed")
    return gone != 0


def wait(child: int, folder: Path, chance: random.Random) -> bool:
    """Wait for a random moment; return whether the sweep ended before."""
    if chance.random() < 0.25:  # while it starts: the lock, the manifest, the models
        time.sleep(chance.uniform(0, 0.5))
        return ended(child)
    grown, until = size(folder) + chance.randrange(1, 600), time.monotonic() + PATIENCE_S
    while size(folder) < grown and time.monotonic() < until:  # while it writes, after some texts
        if ended(child):
            return True
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.03))
    return ended(child)


def killed(folder: Path, chance: random.Random) -> bool:
    """Run the sweep and kill it at a random moment; return whether that came before its end."""
    child = begin(folder)
    if wait(child, folder, chance):
        return False
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def sizes_after(folder: Path, kills: int, chance: random.Random) -> list[int]:
    """Kill one sweep so often, or until it ends; return how large its file was after each kill."""
    sizes: list[int] = []
    while len(sizes) < kills and killed(folder, chance):
        sizes.append(size(folder))
    return sizes


def finish(folder: Path) -> None:
    """Run the sweep to its end."""
    if os.waitstatus_to_exitcode(os.waitpid(begin(folder), 0)[1]):
        sys.exit("the sweep failed")


def main() -> None:
    top, kills, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))  # noqa: S311
    sizes: list[list[int]] = []
    while not sizes or sum(map(len, sizes)) < kills:
        folder = top / str(len(sizes))
        sizes.append(sizes_after(folder, kills - sum(map(len, sizes)), chance))
        finish(folder)
    print(json.dumps(sizes))


if __name__ == "__main__":
    main()
