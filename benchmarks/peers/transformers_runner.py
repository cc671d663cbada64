"""PyTorch and transformers in float32: one model alone, and two models as research code runs them.

    PEERS_PYTHON transformers_runner.py MODEL_FOLDER THREADS

The two-model loop is what the published codes of token-level collaboration do: both models step at
every token, each with its KV cache, and the router looks at both rows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import torch
import transformers
from protocol import serve

WORD_STARTS = ("Ġ", "Ċ", " ", "\n")


class Reader:
    """A model with what it has read."""

    def __init__(self, model: Any, context: list[int]) -> None:
        self.model = model
        self.cache: Any = None
        self.row = self.read(context)

    def read(self, tokens: list[int]) -> torch.Tensor:
        """Read tokens; return the row after the last."""
        out = self.model(torch.tensor([tokens]), past_key_values=self.cache, use_cache=True, logits_to_keep=1)
        self.cache = out.past_key_values
        self.row = out.logits[0, -1]
        return self.row


class Runner:
    """A pair of models of transformers."""

    def __init__(self, folder: str, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self.models: list[Any] = []
        self.starts: list[bool] = []

    def open(self) -> Mapping[str, Any]:
        """Open both models and say what they are."""
        torch.set_num_threads(self.threads)
        auto = transformers.AutoModelForCausalLM
        self.models = [auto.from_pretrained(self.folder, dtype=torch.float32).eval() for _ in range(2)]
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder)
        width = self.models[0].config.vocab_size
        pieces = tokenizer.convert_ids_to_tokens(list(range(width)))
        self.starts = [bool(piece) and piece.startswith(WORD_STARTS) for piece in pieces]
        version = f"{transformers.__version__} with torch {torch.__version__}"
        return {"name": "transformers", "version": version, "threads": self.threads}

    @torch.inference_mode()
    def single(self, context: list[int], tokens: int) -> Mapping[str, Any]:
        """Write `tokens` tokens greedily; an end token does not end the text."""
        begin = perf_counter()
        reader = Reader(self.models[0], context)
        ids = [int(reader.row.argmax())]
        first = perf_counter()
        while len(ids) < tokens:
            ids.append(int(reader.read(ids[-1:]).argmax()))
        end = perf_counter()
        return {"ids": ids, "first_token_seconds": first - begin, "decode_seconds": end - first}

    @torch.inference_mode()
    def pair(
        self,
        base_context: list[int],
        aligned_context: list[int],
        tokens: int,
        gamma: float,
        temperature: float,
        top_p: float,
        seed: int,
    ) -> Mapping[str, Any]:
        """Write with the router `p` (base where its highest probability is below gamma), word by word."""
        draws = torch.Generator().manual_seed(seed)
        begin = perf_counter()
        base, aligned = Reader(self.models[0], base_context), Reader(self.models[1], aligned_context)
        ids: list[int] = []
        by_base, speaker, first = 0, None, begin
        while len(ids) < tokens:
            if ids:
                base.read(ids[-1:])
                aligned.read(ids[-1:])
            token = None if speaker is None else _sampled(speaker.row, temperature, top_p, draws)
            if speaker is None or token is None or self.starts[token]:
                chosen = base if float(torch.softmax(base.row, -1).max()) < gamma else aligned
                if chosen is not speaker or token is None:
                    speaker, token = chosen, _sampled(chosen.row, temperature, top_p, draws)
            ids.append(token)
            by_base += speaker is base
            first = first if len(ids) > 1 else perf_counter()
        end = perf_counter()
        shares = {"base_share": by_base / len(ids)}
        return {"ids": ids, "first_token_seconds": first - begin, "decode_seconds": end - first, **shares}


def _sampled(row: torch.Tensor, temperature: float, top_p: float, draws: torch.Generator) -> int:
    """Draw a token under temperature and nucleus, as transformers' own filters do."""
    chances, order = torch.softmax(row / temperature, -1).sort(descending=True)
    chances[chances.cumsum(-1) - chances > top_p] = 0
    return int(order[torch.multinomial(chances, 1, generator=draws)])


if __name__ == "__main__":
    runner = Runner(sys.argv[1], int(sys.argv[2]))
    serve({"single": runner.single, "pair": runner.pair}, runner.open)
