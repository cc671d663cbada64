"""Runs a sweep in a folder, killing it at random moments: `python kill_a_sweep.py FOLDER KILLS SEED`.

A program of its own because it forks: its modules are loaded once, and it has no threads and no models.
Prints how large the texts' file was after each kill.
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
    "n": 8,
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


def kill(folder: Path, chance: random.Random) -> None:
    """Run the sweep and kill it at a random moment; SystemExit when it ended before."""
    child, before = begin(folder), size(folder)
    if chance.random() < 0.25:  # while it starts: the lock, the manifest, the models
        time.sleep(chance.uniform(0, 0.5))
    else:  # while it writes, after some texts
        grown, until = chance.randrange(1, 600), time.monotonic() + PATIENCE_S
        while size(folder) < before + grown and time.monotonic() < until:
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                sys.exit("the sweep ended before it was killed")
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
        sys.exit("the sweep ended before it was killed")


def finish(folder: Path) -> None:
    """Run the sweep to its end."""
    if os.waitstatus_to_exitcode(os.waitpid(begin(folder), 0)[1]):
        sys.exit("the sweep failed")


def main() -> None:
    folder, kills, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))  # noqa: S311
    sizes = []
    for _ in range(kills):
        kill(folder, chance)
        sizes.append(size(folder))
    finish(folder)
    print(json.dumps(sizes))


if __name__ == "__main__":
    main()
