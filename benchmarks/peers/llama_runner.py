"""llama.cpp through llama-cpp-python: one model from a GGUF file.

PEERS_PYTHON llama_runner.py MODEL.gguf THREADS CONTEXT_LENGTH
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import llama_cpp
from protocol import serve


class Runner:
    """A model of llama.cpp."""

    def __init__(self, path: str, threads: int, length: int) -> None:
        self.path, self.threads, self.length = path, threads, length
        self.model: Any = None

    def open(self) -> Mapping[str, Any]:
        """Open the model and say what it is."""
        threads = {"n_threads": self.threads, "n_threads_batch": self.threads}
        self.model = llama_cpp.Llama(self.path, n_ctx=self.length, verbose=False, **threads)
        return {"name": "llama-cpp-python", "version": llama_cpp.__version__, "threads": self.threads}

    def single(self, context: list[int], tokens: int) -> Mapping[str, Any]:
        """Write `tokens` tokens greedily; an end token does not end the text."""
        begin = perf_counter()
        self.model.reset()
        self.model.eval(context)
        ids = [int(self.model.sample(temp=0.0))]
        first = perf_counter()
        while len(ids) < tokens:
            self.model.eval(ids[-1:])
            ids.append(int(self.model.sample(temp=0.0)))
        end = perf_counter()
        return {"ids": ids, "first_token_seconds": first - begin, "decode_seconds": end - first}


if __name__ == "__main__":
    runner = Runner(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    serve({"single": runner.single}, runner.open)
