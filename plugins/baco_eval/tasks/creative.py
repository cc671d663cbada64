"""The built-in task: stories of the embedded pair's own little world."""

from __future__ import annotations

from dataclasses import dataclass

from baco_core.options import check_ranges
from baco_eval.records import Prompt
from baco_eval.tasks.task import Limit

REQUESTS = (
    "Tell me a story about {}.",
    "Write a short story about {}.",
    "Write a story about {}.",
    "Can you tell me a story about {}?",
    "Please tell me a short story about {}.",
    "I would like a story about {}.",
    "Make up a story about {}.",
    "Tell a story about {}.",
    "Please write a story about {}.",
    "Can you write me a short story about {}?",
    "I want to hear a story about {}.",
)
"""The first is the prompt, the others are its paraphrases."""

SUBJECTS = {
    "cat": "a cat",
    "dog": "a dog",
    "boat": "a boat",
    "tree": "a tree",
    "ball": "a ball",
    "flower": "a flower",
    "bird": "a bird",
    "car": "a car",
    "fish": "a fish",
    "bear": "a bear",
    "rabbit": "a rabbit",
    "kite": "a kite",
    "train": "a train",
    "dragon": "a dragon",
    "cake": "a cake",
    "frog": "a frog",
    "princess": "a princess",
    "robot": "a robot",
    "balloon": "a balloon",
    "lighthouse": "a lighthouse",
}
"""Things the embedded aligned model was trained to tell of, so that a prompt matters."""


@dataclass(frozen=True, slots=True)
class Creative:
    """Twenty requests for a story, each with ten paraphrases, in the manner of TinyStories.

    They are small enough for the embedded pair, and easy for any larger one.
    """

    limit: Limit = None

    def __post_init__(self) -> None:
        check_ranges(self)

    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompts."""
        prompts = []
        for name, subject in SUBJECTS.items():
            text, *paraphrases = (request.format(subject) for request in REQUESTS)
            prompts.append(Prompt(name, text, "story", tuple(paraphrases)))
        return tuple(prompts)[: self.limit]
