"""Text from a network: many prompts at once, temperature and top-p, until an end token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import DynamicCache, LlamaForCausalLM


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network wrote after a prompt; `finished` says that it ended by itself."""

    prompt: str
    tokens: tuple[int, ...]
    text: str
    finished: bool


@torch.no_grad()
def sample(
    network: LlamaForCausalLM,
    tokenizer: Tokenizer,
    prompts: list[str],
    *,
    ends: set[int],
    seed: int,
    temperature: float = 1.0,
    top_p: float = 0.95,
    max_new: int = 320,
    batch: int = 80,
) -> list[Answer]:
    """One answer for each prompt (repeat a prompt for several); the same for the same seed and batch size."""
    network.train(False)
    generator = torch.Generator().manual_seed(seed)
    answers = []
    for start in range(0, len(prompts), batch):
        group = prompts[start : start + batch]
        written = _continue(network, tokenizer, group, ends, generator, temperature, top_p, max_new)
        answers += [_answer(tokenizer, prompt, row, ends) for prompt, row in zip(group, written, strict=True)]
    return answers


def _continue(
    network: LlamaForCausalLM,
    tokenizer: Tokenizer,
    prompts: list[str],
    ends: set[int],
    generator: torch.Generator,
    temperature: float,
    top_p: float,
    max_new: int,
) -> list[list[int]]:
    encoded = [tokenizer.encode(prompt).ids for prompt in prompts]
    width = max(map(len, encoded))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in encoded])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in encoded])
    cache, written, rows = DynamicCache(), [list[int]() for _ in prompts], list(range(len(prompts)))
    for _ in range(max_new):
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        logits = network(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        ).logits[:, -1]
        ids = _pick(logits.float() / temperature, top_p, generator)
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        for row, token in zip(rows, ids[:, 0].tolist(), strict=True):
            if not written[row] or written[row][-1] not in ends:
                written[row].append(token)
        still = [index for index, row in enumerate(rows) if written[row][-1] not in ends]
        if not still:
            break
        if len(still) < 0.7 * len(rows):  # a smaller batch costs less, but moving the cache costs too
            rows = [rows[index] for index in still]
            ids, mask = ids[still], mask[still]
            cache.batch_select_indices(torch.tensor(still))
    return written


def _pick(logits: Tensor, top_p: float, generator: torch.Generator) -> Tensor:
    """Sample int64 [rows, 1] from the smallest set of tokens whose probabilities reach `top_p`."""
    ordered, index = logits.softmax(-1).sort(descending=True)
    ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= top_p, 0)
    return index.gather(1, torch.multinomial(ordered, 1, generator=generator))


def _answer(tokenizer: Tokenizer, prompt: str, tokens: list[int], ends: set[int]) -> Answer:
    finished = bool(tokens) and tokens[-1] in ends
    body = tokens[:-1] if finished else tokens
    return Answer(prompt, tuple(body), tokenizer.decode(body), finished)
