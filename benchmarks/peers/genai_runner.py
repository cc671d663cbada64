"""onnxruntime-genai: one model in int4, built by its own model builder, in its own loop.

PEERS_PYTHON genai_runner.py MODEL_FOLDER THREADS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import onnxruntime_genai as og
from protocol import serve


class Runner:
    """A model of onnxruntime-genai."""

    def __init__(self, folder: str, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self.model: Any = None

    def open(self) -> Mapping[str, Any]:
        """Open the model and say what it is."""
        config = og.Config(self.folder)
        threads = {"intra_op_num_threads": self.threads}
        config.overlay(json.dumps({"model": {"decoder": {"session_options": threads}}}))
        self.model = og.Model(config)
        return {"name": "onnxruntime-genai", "version": og.__version__, "threads": self.threads}

    def single(self, context: list[int], tokens: int) -> Mapping[str, Any]:
        """Write `tokens` tokens greedily; an end token does not end the text."""
        length = len(context) + tokens
        params = og.GeneratorParams(self.model)
        params.set_search_options(max_length=length, min_length=length, do_sample=False)
        begin = perf_counter()
        generator = og.Generator(self.model, params)
        generator.append_tokens(context)
        generator.generate_next_token()
        ids = [int(generator.get_next_tokens()[0])]
        first = perf_counter()
        while len(ids) < tokens:
            generator.generate_next_token()
            ids.append(int(generator.get_next_tokens()[0]))
        end = perf_counter()
        return {"ids": ids, "first_token_seconds": first - begin, "decode_seconds": end - first}


if __name__ == "__main__":
    runner = Runner(sys.argv[1], int(sys.argv[2]))
    serve({"single": runner.single}, runner.open)
