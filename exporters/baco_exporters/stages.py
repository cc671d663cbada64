"""From Optimum's graph to the files of a bundle: fuse, quantise, give it slots; every step is checked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.bundle import FusionRecord, KvLayout, ParityRecord, QualityRecord
from baco_core.errors import ExportError
from baco_exporters.graph import share_weights
from baco_exporters.onnx_export import kv_layout, vocabulary_size
from baco_exporters.parity import TOLERANCE, Reference, measure
from baco_exporters.progress import Progress
from baco_exporters.recipe import SLOTS, Recipe
from baco_exporters.weights_file import load_bare, save_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    from baco_exporters.peft_folder import LowRank

_WORTH_SAYING = 1_000_000
_ROUNDED = 0.5


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A LoRA adapter of the model: its matrices by module, and the model's weights [out, in] of these.

    `references` are PyTorch's logits with the adapter merged; `path` is the file to be written.
    """

    matrices: Mapping[str, LowRank]
    weights: Mapping[str, NDArray[np.float32]]
    references: Sequence[Reference]
    path: Path


@dataclass(frozen=True, slots=True)
class Original:
    """The model a graph is compared with: its configuration, PyTorch's logits, and how it reads a text."""

    config: Any
    references: Sequence[Reference]
    encode: Callable[[str], Sequence[int]]
    bos: Sequence[int] = ()
    adaptation: Adaptation | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What lies in a member's folder now. `slots` are the names of the files by their count."""

    kv: KvLayout
    vocabulary: int
    parity: ParityRecord
    slots: dict[str, str] = field(default_factory=dict)
    batch: str | None = None
    fusion: FusionRecord | None = None
    quality: QualityRecord | None = None
    adapted: ParityRecord | None = None


@dataclass(frozen=True, slots=True)
class Stages:
    """Makes the graph of the member `name` at `path` what the recipe says."""

    name: str
    path: Path
    recipe: Recipe
    original: Original
    progress: Progress

    def run(self, graph: ModelProto) -> Made:
        """Write the graph and what is made of it. Raises ExportError when a check fails."""
        made = Made(kv_layout(graph), vocabulary_size(graph), self._write(graph))
        fusion, fused = self._fuse()
        made = replace(made, fusion=fusion)
        if fused is not None:
            made = replace(made, kv=kv_layout(fused), parity=self._write(fused, fused=True))
            del fused
        if self.recipe.precision == "fp16":
            made = self._halve(made)
        if adaptation := self.original.adaptation:
            self._check_adaptable(made)
            made = replace(made, adapted=self._adapt(adaptation))
        if self.recipe.compact:
            made = replace(made, parity=self._compact(made))
        if self.recipe.bits:
            made = replace(made, quality=self._quantise())
        if made.kv.layout != "shared":
            return made
        return replace(made, slots=self._slots(), batch=self._batch())

    def _write(self, graph: ModelProto, *, fused: bool = False) -> ParityRecord:
        with self._phase("write the fused graph" if fused else "write the graph"):
            saved = share_weights(graph)
            save_model(graph, self.path, mapped=fused)
        if saved > _WORTH_SAYING and not fused:
            self._note(f"{saved / 1e6:.0f} MB of weights were there twice and are shared")
        return self._compare(TOLERANCE["fp32"])

    def _halve(self, made: Made) -> Made:
        import onnx

        from baco_exporters.half import to_half

        with self._phase("turn it into fp16"):
            graph = onnx.load(self.path)
            to_half(graph)
            share_weights(graph)
            kv = kv_layout(graph)
            save_model(graph, self.path, mapped=kv.layout == "shared")
        return replace(made, kv=kv, parity=self._compare(TOLERANCE["fp16"]))

    def _check_adaptable(self, made: Made) -> None:
        if made.kv.layout != "shared":
            reason = made.fusion.reason if made.fusion else ""
            raise ExportError(
                f"{self.name}: an adapter needs a fused graph ({reason}); merge the adapter into the model, "
                "and export base and aligned as two models."
            )

    def _adapt(self, adaptation: Adaptation) -> ParityRecord:
        """Add branches for the adapter, write it, and compare the graph without and with it."""
        import onnx

        from baco_exporters.lora import add_branches, write_adapter

        with self._phase("add the adapter's branches"):
            graph = onnx.load(self.path)
            parameters = add_branches(graph, adaptation.weights, adaptation.matrices)
            save_model(graph, self.path, mapped=True)
            write_adapter(parameters, adaptation.path)
        self._compare(TOLERANCE["fp32"])
        return self._compare(TOLERANCE["fp32"], adaptation)

    def _compare(self, tolerance: float, adaptation: Adaptation | None = None) -> ParityRecord:
        references = self.original.references if adaptation is None else adaptation.references
        adapter = None if adaptation is None else adaptation.path
        with self._phase("compare with PyTorch" + (", adapter merged" if adaptation else "")):
            parity = measure(self.path, references, tolerance, self.name, adapter)
        self._note(
            f"largest logit difference at once {parity.whole:.2g}, token by token {parity.steps:.2g}, "
            f"in chunks {parity.chunks:.2g} (allowed: {parity.tolerance:.2g})"
        )
        return parity

    def _fuse(self) -> tuple[FusionRecord, ModelProto | None]:
        """Return the record and the fused graph, if there is one."""
        import onnx

        from baco_exporters.fusion.fuse import fuse
        from baco_exporters.fusion.outcome import Fused

        if not self.recipe.fuse:
            return FusionRecord(reason="fusing was not asked for"), None
        with self._phase("fuse attention"):
            outcome = fuse(onnx.load(self.path), self.original.config)
        if not isinstance(outcome, Fused):
            self._note(f"left unfused: {outcome.reason}")
            return FusionRecord(reason=outcome.reason), None
        before, after = sum(outcome.before.values()), sum(outcome.after.values())
        self._note(f"{before} operators became {after}")
        return FusionRecord(outcome.before, outcome.after), outcome.model

    def _compact(self, made: Made) -> ParityRecord:
        import onnx

        from baco_exporters.compact import compact_weights

        stored = "int8" if self.recipe.compact == 8 else "fp16"
        with self._phase(f"store the weights in {self.recipe.compact} bits"):
            graph = compact_weights(onnx.load(self.path), bits=16 if self.recipe.compact == 16 else 8)
            save_model(graph, self.path, mapped=made.kv.layout == "shared")
        return self._compare(TOLERANCE[stored])

    def _quantise(self) -> QualityRecord:
        """Put the quantised graph in the place of the float32 one, after reading a text with both."""
        import onnx

        from baco_exporters.quantise import quantise

        small = self.path.parent / "quantised" / self.path.name
        with self._phase(f"quantise the weights ({self.recipe.precision})"):
            graph = onnx.load(self.path)
            bits = quantise(graph, self.recipe)
            save_model(graph, small, mapped=True)
        quality = replace(
            self._quality(small),
            bits=bits,
            block_size=self.recipe.block_size,
            accuracy_level=self.recipe.accuracy_level,
        )
        for path in small.parent.iterdir():
            path.replace(self.path.with_name(path.name))
        shutil.rmtree(small.parent)
        return quality

    def _quality(self, small: Path) -> QualityRecord:
        from baco_exporters.quality import check_quality, measure_quality
        from baco_exporters.reader import GraphReader

        original = self.original
        limit = getattr(original.config, "max_position_embeddings", None)
        with self._phase("read a held-out text with both"):
            found = measure_quality(
                GraphReader(self.path), GraphReader(small), original.encode, original.bos, limit
            )
        self._note(
            f"KL {found.kl:.3g} nats a token, same likeliest token {found.top1_agreement:.1%}, perplexity "
            f"{found.perplexity:.4g} (fp32: {found.perplexity_fp32:.4g})"
        )
        check_quality(found, self.name, self.recipe.precision)
        return found

    def _slots(self) -> dict[str, str]:
        """Write the graphs for several sequences, which refer to the same file of weights."""
        import onnx

        from baco_exporters.fusion import with_slots
        from baco_exporters.slots_check import check_slots

        names = {count: f"{self.path.stem}.slots{count}.onnx" for count in SLOTS}
        with self._phase(f"write graphs for {', '.join(map(str, SLOTS))} sequences"):
            for count, name in names.items():
                onnx.save_model(with_slots(load_bare(self.path), count), self.path.with_name(name))
        with self._phase("compare them with the graph for one"):
            for count, name in names.items():
                check_slots(
                    self.path,
                    self.path.with_name(name),
                    count,
                    self.original.references,
                    self.name,
                    TOLERANCE["fp16" if self.recipe.precision == "fp16" else "fp32"],
                )
        return {str(count): name for count, name in names.items()}

    def _batch(self) -> str | None:
        """Write the graph for a batch; where its rows are not those of the graph for one, do without."""
        import onnx

        from baco_exporters.batch_check import batch_difference
        from baco_exporters.fusion import with_batch

        path = self.path.with_name(f"{self.path.stem}.batch.onnx")
        allowed = TOLERANCE["fp16" if self.recipe.precision == "fp16" else "fp32"]
        if self.recipe.bits:
            allowed = _ROUNDED  # a single row rounds unlike several, and 8-bit products make that large
        with self._phase("write a graph for a batch and compare it"):
            onnx.save_model(with_batch(load_bare(self.path)), path)
            reason = _wrong_batch(
                partial(batch_difference, self.path, path, self.original.references), allowed
            )
        if reason:
            path.unlink()
            self._note(f"no graph for a batch: {reason}")
        return None if reason else path.name

    def _phase(self, title: str) -> AbstractContextManager[None]:
        return self.progress.phase(f"{self.name}: {title}")

    def _note(self, text: str) -> None:
        self.progress.note(f"{self.name}: {text}")


def _wrong_batch(difference: Callable[[], float], allowed: float) -> str:
    """Return what is wrong with a graph for a batch; nothing when all is right."""
    try:
        found = difference()
    except Exception as error:  # the runtime has many kinds of them
        return f"{type(error).__name__} {error}".splitlines()[0]
    return "" if found <= allowed else f"its rows differ by {found:.3g} of their size"
