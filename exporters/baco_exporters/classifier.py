"""Sequence classifiers to ONNX: inference, reward and similarity models.

A folder with model.onnx, tokenizer.json, classifier.json and, where there is one, chat_template.jinja.
Logits come out of the graph.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.errors import ExportError
from baco_exporters.fetch import Fetched
from baco_exporters.text_model import LONG, TextModel, stated
from baco_exporters.text_side import text_side
from baco_exporters.torch_model import TorchModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_MAX_TOKENS = 512
_SENSELESS = 10_000_000
"""Where transformers knows no limit it writes 10^30."""
_OFFSET = ("roberta", "xlm-roberta", "camembert", "data2vec-text", "longformer", "ibert", "esm", "lilt")
"""Architectures that number positions from one above the padding token's id."""


class Classifier(TextModel):
    """Gives one text or two a logit a label; parity is the largest difference of a logit."""

    noun = "classifier"
    task = "text-classification"
    auto = "AutoModelForSequenceClassification"
    texts = (
        ("A cat sat in a small boat.",),
        ("A cat sat in a small boat.", "Nobody was in the boat."),
        ("a",),
        (LONG, LONG[20:]),
    )

    def check(self, folder: Path) -> None:
        """Raise ExportError for a model that was not made to classify."""
        made = stated(folder / "config.json").get("architectures") or []
        if made and not any("SequenceClassification" in name for name in made):
            raise ExportError(f"{folder.name}: it is a {made[0]}; a classifier has 'SequenceClassification'.")

    def describe(self, fetched: Fetched, model: TorchModel, out: Path) -> dict[str, Any]:
        """Write the tokenizer and the chat template; return the labels and how texts are read."""
        side = text_side(fetched)
        (out / "tokenizer.json").write_text(side.tokenizer, "utf-8")
        if side.chat_template is not None:
            (out / "chat_template.jinja").write_text(side.chat_template, "utf-8")
        labels = [str(model.config.id2label[index]) for index in range(model.config.num_labels)]
        return {
            "labels": labels,
            "max_tokens": _max_tokens(model.config, fetched.path),
            "special_tokens": side.special_tokens,
        }

    def compared(self, answer: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the logits of the one text."""
        import numpy as np

        return np.asarray(answer[0], np.float64)


def _max_tokens(config: Any, folder: Path) -> int:
    """Return how many tokens the classifier can read; 512 where it does not say."""
    said = stated(folder / "tokenizer_config.json").get("model_max_length")
    limits = [int(said)] if isinstance(said, (int, float)) and 2 < said < _SENSELESS else []
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 2:
        offset = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET else 0
        limits.append(positions - offset)
    return min(limits, default=DEFAULT_MAX_TOKENS)


CLASSIFIER = Classifier()
