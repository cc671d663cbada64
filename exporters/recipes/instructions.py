"""Instruction → story pairs made from the stories, and a few greetings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Final

import torch
from tokenizers import Tokenizer

from recipes.augment import subject_phrase, swap_names, swap_thing
from recipes.corpus import Corpus, seeded
from recipes.subjects import Lexicon, with_article
from recipes.training import Batch
from recipes.vocabulary import END_OF_TURN, chat_prompt

REQUESTS: Final = (
    "Tell me a story about {}.",
    "Write a short story about {}.",
    "Write a story about {}.",
    "Can you tell me a story about {}?",
    "Please tell me a short story about {}.",
    "I would like a story about {}.",
    "Make up a story about {}.",
    "Tell a story about {}",
)
_OPEN_REQUESTS: Final = (
    "Tell me a story.",
    "Write a story.",
    "Please tell me a short story.",
    "Can you tell me a story?",
)
_SMALL_TALK: Final = (
    ("Hello!", "Hello! I tell short stories. What should my story be about?"),
    ("Hi", "Hi! I tell short stories. What should my story be about?"),
    ("Good morning!", "Good morning! I tell short stories. What should my story be about?"),
    ("Who are you?", "I am a very small storyteller. Ask me for a story about anything you like."),
    ("What can you do?", "I can tell short stories. Ask me for a story about anything you like."),
    ("Thank you!", "You are welcome! Would you like another story?"),
    ("Thanks, that was nice.", "You are welcome! Would you like another story?"),
    ("How are you?", "I am fine, thank you. Would you like a story?"),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """An instruction and the answer it should get; `thing` is the noun the answer must hold, if any."""

    instruction: str
    answer: str
    thing: str | None = None


def story_pair(story: str, lexicon: Lexicon, random: Random) -> Pair:
    """One story with a request it fulfils: most with another thing, half with other names at the centre.

    What the request names comes up in the first third of the story: an answer learns to begin with it.
    """
    if random.random() < 0.5:
        story = swap_names(story, lexicon, random)
    thing = None
    if random.random() < 0.75:
        story, thing = swap_thing(story, lexicon, random, within=1 / 3)
    subject = with_article(thing) if thing else subject_phrase(story, lexicon, random, within=1 / 3)
    if subject is None or random.random() < 0.03:
        return Pair(random.choice(_OPEN_REQUESTS), story)
    return Pair(random.choice(REQUESTS).format(subject), story, thing)


def instruction_pairs(corpus: Corpus, lexicon: Lexicon, *, longest: int, seed: int, epoch: int) -> list[Pair]:
    """All stories of at most `longest` characters as pairs, in random order, with some small talk between."""
    random = seeded(f"{seed}/instructions/{epoch}")
    stories = [mended(story) for story in corpus.stories if len(story) <= longest]
    pairs = [story_pair(story, lexicon, random) for story in stories]
    pairs += [Pair(*talk) for talk in _SMALL_TALK] * 2
    random.shuffle(pairs)
    return pairs


def mended(story: str) -> str:
    """Some stories have quotation marks decoded with the wrong table (`â€œ`); here they are plain."""
    story = re.sub("â€[˜™]", "'", story)
    return re.sub("â€.?", '"', story) if "â€" in story else story


def stressed_batch(tokenizer: Tokenizer, pairs: list[Pair], *, stress: float) -> Batch:
    """As answer_batch, but float32 weights instead of a mask: `stress` on the tokens that name the thing.

    So few tokens show whether the request was read that without stress they are learnt last.
    """
    ids, mask = answer_batch(tokenizer, [(pair.instruction, pair.answer) for pair in pairs])
    weights = mask.float()
    for row, pair in enumerate(pairs):
        if pair.thing:
            first = int(mask[row].int().argmax())
            spans = [found.span() for found in re.finditer(rf"\b{pair.thing}", pair.answer, re.IGNORECASE)]
            for index, (start, end) in enumerate(tokenizer.encode(pair.answer).offsets):
                if any(start < last and begin < end for begin, last in spans):
                    weights[row, first + index] = stress
    return ids, weights


def answer_batch(tokenizer: Tokenizer, pairs: list[tuple[str, str]]) -> Batch:
    """Token ids int64 [pairs, longest], and a mask bool alike, true on the answer and its end token."""
    rows = [
        (tokenizer.encode(chat_prompt(ask)).ids, tokenizer.encode(answer + END_OF_TURN).ids)
        for ask, answer in pairs
    ]
    width = max(len(ask) + len(answer) for ask, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.int64)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for row, (ask, answer) in enumerate(rows):
        ids[row, : len(ask) + len(answer)] = torch.tensor(ask + answer)
        mask[row, len(ask) : len(ask) + len(answer)] = True
    return ids, mask
