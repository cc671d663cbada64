"""A sequence classifier on ONNX Runtime: a folder with a graph, a tokenizer and `classifier.json`.

    classifier.json   the Record below     model.onnx     tokenizer.json     [chat_template.jinja]

`baco export --classifier` writes it: inference, reward and similarity models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from baco_core.bundle import FileRecord, SourceRecord
from baco_core.chat import ChatTemplate
from baco_eval.models.folder import Kind, Reader, open_reader

CLASSIFIER = Kind("classifier")
TEMPLATE_NAME = "chat_template.jinja"
KEPT = 50_000
"""Most answers whose logits are kept."""
TODAY = date(2026, 1, 1)
"""What chat templates that ask for the date are told: a reward must not depend on the day."""


class Record(msgspec.Struct, frozen=True):
    """The content of `classifier.json`. `parity` is the largest difference of a logit to PyTorch's."""

    format: Literal[1]
    labels: tuple[str, ...]
    max_tokens: int
    parity: float
    source: SourceRecord
    files: dict[str, FileRecord]
    special_tokens: dict[str, str] = {}
    created_with: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Classifier:
    """Gives texts a logit a label. One at a time: an answer does not depend on other texts."""

    reader: Reader
    labels: tuple[str, ...]
    template: ChatTemplate | None = None
    kept: dict[tuple[str, str], NDArray[np.float64]] = field(default_factory=dict, repr=False, compare=False)
    """Logits of answers judged before: `reward` and `utility` ask for the same."""

    def logits(self, text: str, second: str | None = None, *, each: int | None = None) -> NDArray[np.float64]:
        """Return the logits of a text, or of two as a pair, shape (labels,), float64.

        Texts beyond the limit of the model are cut, the longer one first; with `each`, both are cut to as
        many tokens before anything else.
        """
        tokenizer = self.reader.tokenizer
        if each is None:
            return self._logits(tokenizer.encode(text, second))
        one, other = (self._cut(part, each) if part is not None else None for part in (text, second))
        return self._logits(tokenizer.post_process(one, other))

    def probabilities(
        self, text: str, second: str | None = None, *, each: int | None = None
    ) -> NDArray[np.float64]:
        """Return the softmax of the logits."""
        logits = self.logits(text, second, each=each)
        found: NDArray[np.float64] = np.exp(logits - logits.max())
        found /= found.sum()
        return found

    def reply_logits(self, prompt: str, answer: str) -> NDArray[np.float64]:
        """Return the logits of an answer to a prompt: as a conversation, else as a pair of texts."""
        if (prompt, answer) not in self.kept:
            if len(self.kept) >= KEPT:
                self.kept.clear()
            self.kept[prompt, answer] = self._reply_logits(prompt, answer)
        return self.kept[prompt, answer]

    def _reply_logits(self, prompt: str, answer: str) -> NDArray[np.float64]:
        if self.template is None:
            return self.logits(prompt, answer)
        messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        text = self.template.render(messages, add_generation_prompt=False, today=TODAY)
        return self._logits(self.reader.tokenizer.encode(text, add_special_tokens=False))

    def _logits(self, read: Any) -> NDArray[np.float64]:
        return np.asarray(self.reader.answer(read), np.float64)

    def _cut(self, text: str, most: int) -> Any:
        read = self.reader.tokenizer.encode(text, add_special_tokens=False)
        read.truncate(most)
        return read


def classifier(name: str) -> Classifier:
    """Return a classifier by the name of its folder, opened once.

    Raises Unavailable where it is not here, and BundleError for a damaged folder.
    """
    return open_classifier(CLASSIFIER.find(name))


@lru_cache(maxsize=4)
def open_classifier(folder: Path) -> Classifier:
    """Open a classifier once; BundleError for a damaged folder, Unavailable without ONNX Runtime."""
    record = CLASSIFIER.read(folder, Record)
    template = None
    if TEMPLATE_NAME in record.files:
        template = ChatTemplate((folder / TEMPLATE_NAME).read_text("utf-8"), record.special_tokens)
    return Classifier(open_reader(folder, record), record.labels, template)
