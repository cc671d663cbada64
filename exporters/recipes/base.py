"""Train the base: language modelling on stories and tales, resumable, with the development loss as it goes.

python -m recipes.base --data DATA --out OUT
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from recipes.corpus import END_OF_TEXT, Corpus, load_corpus
from recipes.network import (
    Shape,
    add_dropout,
    bits_per_byte,
    build_network,
    next_token_loss,
    snap_weights,
    warm_stable_decay,
)
from recipes.stream import batches
from recipes.subjects import build_lexicon
from recipes.training import Plan, is_first, run_workers, train
from recipes.vocabulary import save_tokenizer_files, train_tokenizer

LICENCE: Final = "apache-2.0"


def main(arguments: list[str] | None = None) -> None:
    """Train, or go on from the last checkpoint in OUT/work."""
    options = parse(arguments)
    work = options.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    prepare_tokenizer(load_corpus(options.data), work / "tokenizer.json", options.vocabulary)
    run_workers(train_base, (options, work), options.workers, work)


def train_base(options: argparse.Namespace, work: Path) -> None:
    """What each worker does."""
    corpus = load_corpus(options.data)
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    network = build_network(shape_of(options, tokenizer.get_vocab_size()), seed=options.seed)
    add_dropout(network, options.dropout)
    rows = batches(
        corpus,
        tokenizer,
        build_lexicon(corpus.stories),
        shapes=batch_shapes(options),
        story_share=options.story_share,
        seed=options.seed,
    )
    plan = Plan(
        "base",
        options.steps,
        options.rate,
        options.decay,
        options.seed,
        options.check_every,
        warm_stable_decay,
    )
    train(
        network,
        ((torch.from_numpy(batch),) for batch in rows),
        lambda batch: next_token_loss(network, *batch),
        lambda: {"development bits per byte": development_bits(network, tokenizer, corpus)},
        plan,
        work,
    )
    if is_first():
        save_model(network, tokenizer, options.out / "base", ends=[END_OF_TEXT])


def shape_of(options: argparse.Namespace, vocabulary: int) -> Shape:
    """The network's sizes; one key-value head for two query heads."""
    return Shape(
        vocab_size=vocabulary,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        intermediate_size=options.inner,
        num_attention_heads=options.heads,
        num_key_value_heads=max(1, options.heads // 2),
        max_position_embeddings=2 * options.context,
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; the defaults are what the shipped base was trained with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the project's data folder")
    parser.add_argument("--out", type=Path, required=True, help="where base/ and work/ go")
    parser.add_argument("--steps", type=int, default=780)
    parser.add_argument("--tokens", type=int, default=8192, help="tokens a step")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument(
        "--long-share", type=float, default=0.12, help="last part of training, at twice the context"
    )
    parser.add_argument("--story-share", type=float, default=0.6, help="of rows; the others are tales")
    parser.add_argument("--vocabulary", type=int, default=2048)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--inner", type=int, default=704)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread; part of the seed")
    parser.add_argument(
        "--check-every", type=int, default=50, help="steps between checkpoints and development figures"
    )
    return parser.parse_args(arguments)


def prepare_tokenizer(corpus: Corpus, path: Path, size: int) -> None:
    """Train the tokenizer of this run unless it is there; stories count three times, to suit its merges."""
    if not path.exists():
        train_tokenizer([*corpus.stories * 3, *corpus.tales], size).save(str(path))


def batch_shapes(options: argparse.Namespace) -> list[tuple[int, int]]:
    """(rows, context) of every step: the last `long_share` of the steps reads rows of twice the context."""
    short = round(options.steps * (1 - options.long_share))
    contexts = [options.context] * short + [2 * options.context] * (options.steps - short)
    return [(max(1, options.tokens // context), context) for context in contexts]


def development_bits(network: LlamaForCausalLM, tokenizer: Tokenizer, corpus: Corpus) -> float:
    """Bits per byte of the development stories, joined by blank lines as in the held-out file."""
    return bits_per_byte(
        network, lambda text: list(tokenizer.encode(text).ids), "\n\n".join(corpus.development)
    )


def save_model(network: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path, *, ends: list[str]) -> None:
    """A Hugging Face folder: float32 weights on the int8 grid, tokenizer, chat template, end tokens."""
    snap_weights(network)
    network.generation_config.eos_token_id = [tokenizer.token_to_id(end) for end in ends]
    network.config.eos_token_id = tokenizer.token_to_id(ends[0])
    network.save_pretrained(folder)
    (folder / "README.md").write_text(
        f"---\nlicense: {LICENCE}\n---\nSee plugins/baco_tiny/MODEL_CARD.md.\n", "utf-8"
    )
    save_tokenizer_files(tokenizer, folder, end=ends[0], context=network.config.max_position_embeddings)


if __name__ == "__main__":
    main()
