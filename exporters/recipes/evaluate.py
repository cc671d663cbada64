"""Figures of the pair: held-out text, following, diversity, endings.

    python -m recipes.evaluate --data DATA --out OUT

Reads OUT/base and OUT/aligned, writes OUT/figures.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from recipes.align import load_model
from recipes.corpus import load_corpus
from recipes.network import bits_per_byte
from recipes.sampling import Answer, sample
from recipes.subjects import KNOWN_THINGS, NEW_THINGS, contains_thing, with_article
from recipes.vocabulary import END_OF_TURN, chat_prompt

REQUEST: Final = "Tell me a story about {}."
CONTEXTS: Final = {
    "base": {"title": "{}\n\n", "question-answer": "Question: {}\nAnswer: ", "plain": "{}"},
    "aligned": {"chat": chat_prompt("{}")},
}
LONGEST: Final = 320
ANSWERS: Final = 10


def main(arguments: list[str] | None = None) -> None:
    """Measure both models and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the project's data folder")
    parser.add_argument("--out", type=Path, required=True, help="holds base/ and aligned/")
    parser.add_argument(
        "--only", choices=("base", "aligned"), help="measure one model, keep the other's figures"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    path = options.out / "figures.json"
    figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in (options.only,) if options.only else tuple(CONTEXTS):
        figures |= conditions(options.data, options.out, options.seed)
        figures[name] = measure(name, options.data, options.out, options.seed)
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def conditions(data: Path, models: Path, seed: int) -> dict[str, Any]:
    """What the figures are measured on."""
    held_out = load_corpus(data).held_out
    sampling = {"temperature": 1.0, "top_p": 0.95, "max_new_tokens": LONGEST, "seed": seed}
    return {
        "things": {"known": list(KNOWN_THINGS), "new": list(NEW_THINGS)},
        "request": REQUEST,
        "steps": training_steps(models),
        "sampling": {"answers": ANSWERS, "diversity_words": 80, **sampling},
        "held_out": {
            "file": "tinystories_val_head.txt",
            "bytes": len(held_out.encode()),
            "window": 512,
            "stride": 256,
        },
    }


def measure(name: str, data: Path, models: Path, seed: int) -> dict[str, Any]:
    """All figures of one model: on the held-out text, and for requests in each of its contexts."""
    network, tokenizer = load_model(models / name)
    figures: dict[str, Any] = {"parameters": network.num_parameters()}
    figures["held_out"] = held_out_figures(network, tokenizer, load_corpus(data).held_out)
    sys.stderr.write(f"{name}: {figures['held_out']}\n")
    for context, template in CONTEXTS[name].items():
        figures[context] = answers_figures(network, tokenizer, template, seed)
        shown = {key: value for key, value in figures[context].items() if key != "samples"}
        sys.stderr.write(f"{name}, {context}: {shown}\n")
    return figures


def training_steps(models: Path) -> int:
    """How many steps the base was trained for, by its log."""
    lines = (models / "work" / "base.jsonl").read_text(encoding="utf-8").splitlines()
    return 1 + max(int(json.loads(line)["step"]) for line in lines)


def held_out_figures(network: LlamaForCausalLM, tokenizer: Tokenizer, text: str) -> dict[str, float]:
    """Bits per byte, and perplexity a token, which only compares models with the same tokenizer."""
    bits = bits_per_byte(network, lambda part: list(tokenizer.encode(part).ids), text)
    tokens = len(tokenizer.encode(text).ids)
    perplexity = math.exp(bits * math.log(2) * len(text.encode()) / tokens)
    return {"bits_per_byte": round(bits, 4), "token_perplexity": round(perplexity, 3)}


def answers_figures(
    network: LlamaForCausalLM, tokenizer: Tokenizer, template: str, seed: int
) -> dict[str, Any]:
    """Following, diversity and endings over ten answers to each request, and five samples to read."""
    asked = [
        (thing, template.replace("{}", REQUEST.format(with_article(thing))))
        for thing in (*KNOWN_THINGS, *NEW_THINGS)
    ]
    prompts = [prompt for _, prompt in asked for _ in range(ANSWERS)]
    ends = {0, tokenizer.token_to_id(END_OF_TURN)}
    answers = sample(network, tokenizer, prompts, ends=ends, seed=seed, top_p=0.95, max_new=LONGEST)
    groups = [answers[start : start + ANSWERS] for start in range(0, len(answers), ANSWERS)]
    named = [
        [contains_thing(answer.text, thing) for answer in group]
        for (thing, _), group in zip(asked, groups, strict=True)
    ]
    known = len(KNOWN_THINGS)
    return {
        "names_the_thing": share(named),
        "names_known_things": share(named[:known]),
        "names_new_things": share(named[known:]),
        "distinct_2": mean([distinct_bigrams(group) for group in groups]),
        "pairwise_distance": mean([pairwise_distance(group) for group in groups]),
        "finished": share([[answer.finished for answer in group] for group in groups]),
        "mean_words": mean([float(len(answer.text.split())) for answer in answers]),
        "samples": [
            {"thing": thing, "text": group[0].text} for (thing, _), group in zip(asked, groups, strict=True)
        ][:5],
    }


def distinct_bigrams(answers: list[Answer]) -> float:
    """Different word pairs over all word pairs in the answers to one request (distinct-2, Li et al. 2016)."""
    pairs = [pair for answer in answers for pair in word_pairs(answer.text)]
    return len(set(pairs)) / max(len(pairs), 1)


def pairwise_distance(answers: list[Answer]) -> float:
    """Mean over all pairs of answers of 1 minus the Jaccard overlap of their sets of word pairs."""
    sets = [set(word_pairs(answer.text)) for answer in answers]
    return mean([1 - len(one & other) / max(len(one | other), 1) for one, other in combinations(sets, 2)])


def word_pairs(text: str) -> list[tuple[str, str]]:
    """Neighbouring words of the first 80, lower case, without punctuation at their ends.

    The cut keeps short and long answers comparable: repeats grow with length.
    """
    words = [word.strip('.,!?;:"()').lower() for word in text.split()[:80]]
    return list(pairwise(words))


def share(groups: list[list[bool]]) -> float:
    """Share of true values, rounded to four digits."""
    return mean([float(value) for group in groups for value in group])


def mean(values: list[float]) -> float:
    """Arithmetic mean, rounded to four digits."""
    return round(sum(values) / max(len(values), 1), 4)


if __name__ == "__main__":
    main()
