"""Preference tuning: the model's own answers, ranked by whether they do as asked and read well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM

from recipes.corpus import seeded
from recipes.instructions import REQUESTS, answer_batch
from recipes.sampling import Answer, sample
from recipes.subjects import EXTRA_THINGS, Lexicon, contains_thing, with_article
from recipes.training import Batch
from recipes.vocabulary import END_OF_TURN, chat_prompt

_ANSWERS = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """A better and a worse answer to one instruction, with the log-likelihoods the model gave them before."""

    instruction: str
    better: str
    worse: str
    better_before: float = 0.0
    worse_before: float = 0.0

    def as_list(self) -> list[Any]:
        """For a JSON file."""
        return list(astuple(self))


def collect_choices(
    network: LlamaForCausalLM,
    base: LlamaForCausalLM,
    tokenizer: Tokenizer,
    lexicon: Lexicon,
    *,
    prompts: int,
    seed: int,
) -> list[Choice]:
    """Ask for stories about `prompts` things and keep the two best of eight answers against the two worst.

    Half of the answers are sampled cooler: those tend to win, which is what makes the model vary less.
    """
    random = seeded(f"{seed}/preferences")
    things = [
        random.choice(EXTRA_THINGS if random.random() < 0.5 else tuple(lexicon.nouns)) for _ in range(prompts)
    ]
    asked = [random.choice(REQUESTS).format(with_article(thing)) for thing in things]
    texts = [chat_prompt(ask) for ask in asked for _ in range(_ANSWERS // 2)]
    ends = {0, tokenizer.token_to_id(END_OF_TURN)}
    cool, warm = (
        sample(
            network, tokenizer, texts, ends=ends, seed=seed, temperature=temperature, top_p=0.98, max_new=300
        )
        for temperature in (0.6, 1.0)
    )
    choices = []
    for index, (ask, thing) in enumerate(zip(asked, things, strict=True)):
        part = slice(index * _ANSWERS // 2, (index + 1) * _ANSWERS // 2)
        choices += ranked_choices(base, tokenizer, ask, thing, cool[part] + warm[part])
    return choices


def ranked_choices(
    base: LlamaForCausalLM, tokenizer: Tokenizer, ask: str, thing: str, answers: list[Answer]
) -> list[Choice]:
    """The best answer against the worst, the second best against the second worst (if they follow)."""
    fluency = mean_log_likelihoods(base, tokenizer, [answer.text for answer in answers])
    scores = [score(answer, thing, fluent) for answer, fluent in zip(answers, fluency, strict=True)]
    order = sorted(range(len(answers)), key=scores.__getitem__)
    pairs = [(order[-1], order[0]), (order[-2], order[1])]
    return [Choice(ask, answers[good].text, answers[bad].text) for good, bad in pairs if scores[good] > 0]


def score(answer: Answer, thing: str, fluency: float) -> float:
    """Rank of an answer: above 0 when it ends by itself, has a fair length and names the thing; then fluency.

    `fluency` is the base's mean log-likelihood a token, about -2.5 to -1, so following always comes first.
    Repeated word pairs cost, since a base finds them likely.
    """
    words = [word.strip('.,!?;:"').lower() for word in answer.text.split()]
    named = len([word for word in words if contains_thing(word, thing)])
    follows = answer.finished and answer.text.isascii() and 40 <= len(words) <= 230 and named >= 1
    fresh = len(set(pairwise(words))) / max(len(words) - 1, 1)
    return (10 if follows else 0) + min(named, 3) * 0.25 + fluency - 4 * max(0.0, 0.8 - fresh)


@torch.no_grad()
def mean_log_likelihoods(network: LlamaForCausalLM, tokenizer: Tokenizer, texts: list[str]) -> list[float]:
    """Mean log-likelihood a token, in nats, of each text after an end-of-text token."""
    network.train(False)
    means = []
    for start in range(0, len(texts), 16):
        rows = [[0, *tokenizer.encode(text).ids] for text in texts[start : start + 16]]
        width = max(2, *map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        mask = torch.tensor(
            [[False] + [True] * (len(row) - 1) + [False] * (width - len(row)) for row in rows]
        )
        means += (log_likelihoods(network, ids, mask) / mask.sum(1).clamp(min=1)).tolist()
    return means


def log_likelihoods(network: LlamaForCausalLM, ids: Tensor, mask: Tensor) -> Tensor:
    """Summed log-likelihood in nats, float32 [rows], of the tokens where `mask` holds."""
    with torch.autocast("cpu", torch.bfloat16, enabled=network.training):
        logits = network(input_ids=ids[:, :-1], use_cache=False).logits
    losses = functional.cross_entropy(logits.float().transpose(1, 2), ids[:, 1:], reduction="none")
    return -(losses * mask[:, 1:]).sum(1)


@torch.no_grad()
def with_reference(network: LlamaForCausalLM, tokenizer: Tokenizer, choices: list[Choice]) -> list[Choice]:
    """The choices with what `network`, before this stage, thinks of both answers."""
    network.train(False)
    known = []
    for choice in choices:
        ids, mask = answer_batch(
            tokenizer, [(choice.instruction, choice.better), (choice.instruction, choice.worse)]
        )
        better, worse = log_likelihoods(network, ids, mask).tolist()
        known.append(replace(choice, better_before=better, worse_before=worse))
    return known


def choice_batches(
    tokenizer: Tokenizer, choices: list[Choice], *, steps: int, size: int, seed: int
) -> Iterator[Batch]:
    """`steps` batches (better ids and mask, worse ids and mask, both log-likelihoods before)."""
    random, queue = seeded(f"{seed}/order"), list[Choice]()
    for _ in range(steps):
        if len(queue) < size:
            queue += random.sample(choices, len(choices))
        taken, queue = queue[:size], queue[size:]
        better = answer_batch(tokenizer, [(choice.instruction, choice.better) for choice in taken])
        worse = answer_batch(tokenizer, [(choice.instruction, choice.worse) for choice in taken])
        before = torch.tensor([[choice.better_before, choice.worse_before] for choice in taken])
        yield (*better, *worse, before)


def preference_loss(network: LlamaForCausalLM, batch: Batch, *, beta: float, anchor: float) -> Tensor:
    """Direct preference optimisation (Rafailov et al. 2023, eq. 7) plus `anchor` times the better one's loss.

    The anchor keeps the better answer likely, which the difference alone does not (Pang et al. 2024).
    """
    better_ids, better_mask, worse_ids, worse_mask, before = batch
    better = log_likelihoods(network, better_ids, better_mask)
    worse = log_likelihoods(network, worse_ids, worse_mask)
    margin = (better - before[:, 0]) - (worse - before[:, 1])
    likelihood = -(better / better_mask.sum(1)).mean()
    return -functional.logsigmoid(beta * margin).mean() + anchor * likelihood
