"""Make the aligned model: fine-tune the base on instruction → story pairs, then prefer its better answers.

python -m recipes.align --data DATA --out OUT
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer
from torch import distributed
from transformers import LlamaForCausalLM

from recipes.base import save_model
from recipes.corpus import END_OF_TEXT, Corpus, load_corpus
from recipes.instructions import Pair, instruction_pairs, stressed_batch
from recipes.network import add_dropout, weighted_loss
from recipes.preferences import Choice, choice_batches, collect_choices, preference_loss, with_reference
from recipes.subjects import Lexicon, build_lexicon
from recipes.training import Batch, Plan, is_first, run_workers, train
from recipes.vocabulary import END_OF_TURN


def main(arguments: list[str] | None = None) -> None:
    """Run the two stages, or go on with the one that was interrupted."""
    options = parse(arguments)
    run_workers(fine_tune, (options,), options.workers, options.out / "work")
    for turn in range(options.turns):
        run_workers(prefer, (options, turn), options.workers, options.out / "work")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line; the defaults are what the shipped aligned model was trained with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the project's data folder")
    parser.add_argument("--out", type=Path, required=True, help="holds base/; aligned/ and work/ are written")
    parser.add_argument("--steps", type=int, default=200, help="of fine-tuning")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--pairs", type=int, default=16, help="instruction pairs a step")
    parser.add_argument("--stress", type=float, default=4.0, help="weight of the tokens that name the thing")
    parser.add_argument("--longest", type=int, default=1100, help="characters of a story")
    parser.add_argument("--turns", type=int, default=1, help="of sampling answers and preferring the better")
    parser.add_argument("--prompts", type=int, default=160, help="asked in each turn, with 8 answers each")
    parser.add_argument("--preference-rate", type=float, default=3e-4)
    parser.add_argument("--preference-epochs", type=int, default=2)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument(
        "--anchor", type=float, default=1.0, help="weight of the chosen answer's own likelihood"
    )
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread; part of the seed")
    return parser.parse_args(arguments)


def fine_tune(options: argparse.Namespace) -> None:
    """Stage one, in each worker: likelihood of the answers, nothing else."""
    corpus = load_corpus(options.data)
    network, tokenizer = load_model(options.out / "base")
    add_dropout(network, options.dropout)
    batches = pair_batches(corpus, build_lexicon(corpus.stories), tokenizer, options)
    plan = Plan("fine-tune", options.steps, options.rate, 0.1, options.seed, 50, warm_then_down)
    train(network, batches, lambda batch: weighted_loss(network, *batch), dict, plan, options.out / "work")
    if is_first():
        save_model(network, tokenizer, options.out / "work" / "tuned-0", ends=[END_OF_TURN, END_OF_TEXT])
        save_model(network, tokenizer, options.out / "aligned", ends=[END_OF_TURN, END_OF_TEXT])


def prefer(options: argparse.Namespace, turn: int) -> None:
    """Stage two, in each worker: sample answers, rank them, learn the better from the worse."""
    work = options.out / "work"
    corpus = load_corpus(options.data)
    network, tokenizer = load_model(work / f"tuned-{turn}")
    base, _ = load_model(options.out / "base")
    choices = shared_choices(network, base, tokenizer, build_lexicon(corpus.stories), options, turn)
    if not choices:
        raise SystemExit(
            "no answer named its thing, so there is nothing to prefer: fine-tune longer (--steps)"
        )
    choices = with_reference(network, tokenizer, choices)
    steps = max(1, options.preference_epochs * len(choices) // 8)
    batches = choice_batches(tokenizer, choices, steps=steps, size=8, seed=options.seed + turn)
    plan = Plan(f"prefer-{turn}", steps, options.preference_rate, 0.0, options.seed, 30, warm_then_down)
    loss = partial(preference_loss, network, beta=options.beta, anchor=options.anchor)
    train(network, batches, loss, dict, plan, work)
    if is_first():
        save_model(network, tokenizer, work / f"tuned-{turn + 1}", ends=[END_OF_TURN, END_OF_TEXT])
        save_model(network, tokenizer, options.out / "aligned", ends=[END_OF_TURN, END_OF_TEXT])


def load_model(folder: Path) -> tuple[LlamaForCausalLM, Tokenizer]:
    """Network and tokenizer of a folder that this recipe wrote."""
    network = LlamaForCausalLM.from_pretrained(folder)
    return network, Tokenizer.from_file(str(folder / "tokenizer.json"))


def pair_batches(
    corpus: Corpus, lexicon: Lexicon, tokenizer: Tokenizer, options: argparse.Namespace
) -> Iterator[Batch]:
    """`options.steps` batches of instruction pairs; every epoch varies the stories anew."""
    left, epoch, pairs = options.steps, 0, list[Pair]()
    while left > 0:
        if len(pairs) < options.pairs:
            pairs += instruction_pairs(
                corpus, lexicon, longest=options.longest, seed=options.seed, epoch=epoch
            )
            epoch += 1
        yield stressed_batch(tokenizer, pairs[: options.pairs], stress=options.stress)
        pairs, left = pairs[options.pairs :], left - 1


def shared_choices(
    network: LlamaForCausalLM,
    base: LlamaForCausalLM,
    tokenizer: Tokenizer,
    lexicon: Lexicon,
    options: argparse.Namespace,
    turn: int,
) -> list[Choice]:
    """Each worker samples for its share of the prompts and keeps the result in a file; all read all files."""
    rank, workers = distributed.get_rank(), distributed.get_world_size()
    path = options.out / "work" / f"choices-{turn}-{rank}.json"
    if not path.exists():
        seed = (options.seed + turn) * workers + rank
        found = collect_choices(
            network, base, tokenizer, lexicon, prompts=options.prompts // workers, seed=seed
        )
        path.write_text(json.dumps([choice.as_list() for choice in found]), encoding="utf-8")
    distributed.barrier()
    paths = [path.with_name(f"choices-{turn}-{other}.json") for other in range(workers)]
    return [Choice(*fields) for path in paths for fields in json.loads(path.read_text(encoding="utf-8"))]


def warm_then_down(step: int, steps: int) -> float:
    """Share of the full learning rate: ten steps up, then linearly down."""
    return min((step + 1) / 10, max((steps - step) / steps, 0.02))


if __name__ == "__main__":
    main()
