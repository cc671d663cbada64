"""Models that read texts and judge them, to ONNX: a folder with a graph, a tokenizer and a record.

What sentence encoders and classifiers have in common; `encoder` and `classifier` hold what differs.
"""

from __future__ import annotations

import inspect
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from baco_core.errors import ExportError
from baco_core.paths import cache_folder
from baco_exporters.bundle import file_records, made_with, publish
from baco_exporters.fetch import Fetched, fetch
from baco_exporters.onnx_export import run_optimum
from baco_exporters.partial import partial_folder
from baco_exporters.progress import Progress
from baco_exporters.torch_model import TorchModel, check_missing, check_task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PARITY_BELOW = 1e-4
LONG = "It rained all day, and nobody went out; we read and read. " * 60
_NOTICE = "NOTICE.txt"


class TextModel(ABC):
    """A kind of such models: what Optimum makes of them, and what is written beside the graph."""

    noun: ClassVar[str]
    """Also the name of its record: `NOUN.json`, and of the cache's folder: `NOUNs`."""
    task: ClassVar[str]
    """Optimum's."""
    auto: ClassVar[str]
    """The class of transformers that loads it."""
    texts: ClassVar[Sequence[tuple[str, ...]]]
    """What parity is checked on: one text or two."""

    @abstractmethod
    def check(self, folder: Path) -> None:
        """Raise ExportError for a model that would be read wrongly."""

    @abstractmethod
    def describe(self, fetched: Fetched, model: TorchModel, out: Path) -> dict[str, Any]:
        """Write the tokenizer and what else belongs to it into `out`; return the record's own entries."""

    @abstractmethod
    def compared(self, answer: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what has to agree with PyTorch's, of the answer to one text (batch axis first)."""

    def may_lack(self, weight: str) -> bool:
        """Say whether a weight may be missing."""
        return False

    def fetch(self, text: str, scratch: Path, progress: Progress) -> Fetched:
        """Return the model on this machine; `scratch` may be made."""
        fetched = fetch(text, progress)
        if fetched.kind != "folder":
            raise ExportError(f"{text}: {a(self.noun)} is a folder or a hub id, not a GGUF file.")
        return fetched


def a(noun: str) -> str:
    """Return a noun with its article."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def home_of(kind: TextModel, text: str) -> Path:
    """Return where metrics look for a model: a folder of the cache, by the last part of its name."""
    return cache_folder() / f"{kind.noun}s" / PurePosixPath(text.rstrip("/").partition("@")[0]).name.lower()


def export_text_model(
    kind: TextModel, text: str, out: Path, progress: Progress, *, force: bool = False
) -> float:
    """Export what a known name, a folder or a hub id names; return its parity.

    Parity is the largest difference to PyTorch's of what is compared. Raises ExportError when it is not
    below 1e-4 (of the largest value, where that is above 1), or for whatever cannot be fetched or
    exported; nothing is left at `out` then.
    """
    target = out.expanduser().resolve()
    _check_target(kind, target, force=force)
    with partial_folder(target) as partial:
        fetched = kind.fetch(text, partial / "source", progress)
        progress.note(fetched.terms)
        with progress.phase(f"export {fetched.record.id}"):
            parity = _export(kind, fetched, partial)
        shutil.rmtree(partial / "source", ignore_errors=True)
        publish(partial, target)
    progress.note(f"largest difference to PyTorch: {parity:.1e}")
    return parity


def _check_target(kind: TextModel, target: Path, *, force: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / f"{kind.noun}.json").is_file():
        raise ExportError(f"{target}: exists and is not {a(kind.noun)}; choose another folder.")
    if not force:
        raise ExportError(f"{target}: {a(kind.noun)} is there already; pass --force to replace it.")


def _export(kind: TextModel, fetched: Fetched, folder: Path) -> float:
    """Write everything into `folder`; return the parity."""
    if not (fetched.path / "tokenizer.json").is_file():
        raise ExportError(
            f"{fetched.path}: the folder has no tokenizer.json, which {kind.noun}s are read with."
        )
    kind.check(fetched.path)
    model = _load(kind, fetched)
    entries = kind.describe(fetched, model, folder)
    _write_graph(kind, model, folder)
    parity = _parity(kind, model, folder, entries["max_tokens"])
    terms = f"{fetched.terms} BACo's exporter converted the weights to ONNX; they are not the originals.\n"
    (folder / _NOTICE).write_text(terms, "utf-8")
    files = {
        name: asdict(each) for name, each in file_records(folder).items() if not name.startswith("source/")
    }
    record = {
        "format": 1,
        **entries,
        "parity": parity,
        "source": asdict(fetched.record),
        "files": files,
        "created_with": made_with(),
    }
    (folder / f"{kind.noun}.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    return parity


def _write_graph(kind: TextModel, model: TorchModel, folder: Path) -> None:
    """Write model.onnx, and model.onnx_data for weights beyond 2 GB.

    Decoders that judge a text by its last token want to know what padding looks like, as soon as there
    are two texts. Where they don't, nothing is padding: a graph gets one text at a time.
    """
    pad = model.config.pad_token_id
    model.config.pad_token_id = -1 if pad is None else pad
    try:
        run_optimum(model, folder / "graph", kind.task, kind.noun)
    finally:
        model.config.pad_token_id = pad
    for path in (folder / "graph").glob("model.onnx*"):
        path.rename(folder / path.name)
    shutil.rmtree(folder / "graph")


def _load(kind: TextModel, fetched: Fetched) -> TorchModel:
    """Return the model in float32, from safetensors alone; no code of the source is run."""
    import torch
    import transformers

    folder, options = fetched.path, {"local_files_only": True, "trust_remote_code": False}
    if not any(folder.glob("*.safetensors")):
        raise ExportError(f"{folder.name}: there are no safetensors; pickled weights are never loaded.")
    auto: Any = getattr(transformers, kind.auto)
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        check_task(config, folder.name, kind.task)
        options |= {"use_safetensors": True, "output_loading_info": True}
        model, report = auto.from_pretrained(
            folder, config=config, dtype=torch.float32, attn_implementation="eager", **options
        )
    except ExportError:
        raise
    except Exception as error:  # transformers, torch and safetensors raise whatever they like
        raise ExportError(
            f"{fetched.record.id}: transformers cannot load the {kind.noun}: {error}"
        ) from error
    check_missing([name for name in report["missing_keys"] if not kind.may_lack(name)], folder.name)
    return model.eval()


def _parity(kind: TextModel, model: TorchModel, folder: Path, most: int) -> float:
    """Return the largest difference between the graph and PyTorch; ExportError when it is not small."""
    import numpy as np
    import onnxruntime
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(most)
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    taken = {each.name for each in session.get_inputs()}
    wanted = _wanted(model)
    differences, sizes = [], [1.0]
    for text in kind.texts:
        rows = _rows(tokenizer.encode(*text))
        mine = kind.compared(session.run(None, {name: rows[name] for name in rows if name in taken})[0])
        with torch.no_grad():
            given = {name: torch.from_numpy(rows[name]) for name in rows if name in wanted}
            theirs = kind.compared(model(**given)[0].numpy())
        differences.append(float(np.abs(mine - theirs).max()))
        sizes.append(float(np.abs(theirs).max()))
    if not max(differences) < PARITY_BELOW * max(sizes):
        raise ExportError(
            f"{model.config.model_type!r} {kind.noun}: answers differ from PyTorch's by "
            f"{max(differences):.1e}; not kept."
        )
    return max(differences)


def _wanted(model: TorchModel) -> set[str]:
    """Return what PyTorch is given, whatever the graph takes: what matters may not be missing there."""
    wanted = {"input_ids", "attention_mask"}
    types = getattr(model.config, "type_vocab_size", 0) or 0
    if types > 1 and "token_type_ids" in inspect.signature(model.forward).parameters:
        wanted.add("token_type_ids")
    return wanted


def _rows(read: Any) -> dict[str, NDArray[np.int64]]:
    """Return what a model may be given of a text, shape (1, tokens) each."""
    import numpy as np

    rows = {
        "input_ids": read.ids,
        "attention_mask": read.attention_mask,
        "token_type_ids": read.type_ids,
        "position_ids": list(range(len(read.ids))),
    }
    return {name: np.array([values], np.int64) for name, values in rows.items()}


def stated(path: Path) -> dict[str, Any]:
    """Return what a JSON file says; {} when there is none. ExportError when it cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ExportError(f"{path}: cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise ExportError(f"{path}: must hold a JSON object.")
    return found
