"""The open stories the pair is trained on, and the text that no training step may see."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random

END_OF_TEXT = "<|endoftext|>"
_TRAIN_STORIES = "tinystories/tinystories_train_head_1000.json"
_HELD_OUT = "tinystories/tinystories_val_head.txt"
_TALES = "fairytaleqa/fairytales.txt"
_FINGERPRINT = 120


@dataclass(frozen=True, slots=True)
class Corpus:
    """Training stories and tales, a few development stories, and the held-out text (for figures only)."""

    stories: tuple[str, ...]
    tales: tuple[str, ...]
    development: tuple[str, ...]
    held_out: str


def load_corpus(data: Path, *, development: int = 30) -> Corpus:
    """Read the corpus from the project's data folder.

    Stories that share their opening, middle or end with the held-out text are dropped; the last `development`
    of the rest are kept apart to watch over-fitting, so no choice is made by looking at the held-out text.

    Raises:
        FileNotFoundError: a file of the data folder is missing; the message names it.
    """
    held_out = _read(data, _HELD_OUT)
    stories = [tidy(story) for story in json.loads(_read(data, _TRAIN_STORIES))]
    tales = [tidy(tale) for tale in _read(data, _TALES).split(END_OF_TEXT)]
    clean = without_leaks(list(dict.fromkeys(stories)), held_out)
    cut = len(clean) - development
    return Corpus(
        stories=tuple(clean[:cut]),
        tales=tuple(without_leaks([tale for tale in tales if tale], held_out)),
        development=tuple(clean[cut:]),
        held_out=held_out,
    )


def without_leaks(documents: list[str], held_out: str) -> list[str]:
    """The documents whose opening, middle and end (120 characters, spaces folded) are not in `held_out`."""
    folded = _fold(held_out)
    return [document for document in documents if not any(part in folded for part in _fingerprints(document))]


def tidy(text: str) -> str:
    """Plain quotes and line ends, no trailing spaces, at most one blank line in a row."""
    for fancy, plain in (("\r\n", "\n"), ("“", '"'), ("”", '"'), ("’", "'"), ("‘", "'"), ("\u00a0", " ")):
        text = text.replace(fancy, plain)
    lines = (line.strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def seeded(name: str) -> Random:
    """A generator for this use and seed alone: the same name, the same choices."""
    return Random(name)  # noqa: S311 (nothing here is a secret)


def _fingerprints(document: str) -> list[str]:
    folded = _fold(document)
    middle = len(folded) // 2
    parts = [folded[:_FINGERPRINT], folded[middle : middle + _FINGERPRINT], folded[-_FINGERPRINT:]]
    return [part for part in parts if part]


def _fold(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().lower()


def _read(data: Path, name: str) -> str:
    path = data / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: --data must name a folder that holds {name}")
    return path.read_text(encoding="utf-8")
