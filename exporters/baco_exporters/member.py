"""One member of a bundle: its graph, its text side, its figures, its licences."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.bundle import KvLayout, MemberRecord, ParityRecord
from baco_exporters.fetch import Fetched
from baco_exporters.graph import save_model, share_weights
from baco_exporters.onnx_export import Precision, kv_layout, run_optimum, take_graph, vocabulary_size
from baco_exporters.parity import TOLERANCE, Reference, measure, references, unchecked_window
from baco_exporters.partial import need_space
from baco_exporters.progress import Progress
from baco_exporters.text_side import TextSide, text_side
from baco_exporters.torch_model import TorchModel, load_model

if TYPE_CHECKING:
    from onnx import ModelProto

_COPIES = 3
"""What an export has on disk at once, in sizes of the model: Optimum's file, which may hold a tied head
twice, and ours."""

_WORTH_SAYING = 1_000_000


@dataclass(frozen=True, slots=True)
class MemberExport:
    """Exports one fetched model into `folder/name`."""

    name: str
    source: Fetched
    folder: Path
    precision: Precision
    compact: int | None
    progress: Progress

    def run(self) -> MemberRecord:
        """Export, compare with PyTorch, write; return the manifest's record. Raises ExportError."""
        self._home.mkdir()
        with self._phase("read the tokenizer"):
            text = text_side(self.source)
        with self._phase("load the weights into PyTorch"):
            model = load_model(self.source)
        limit = getattr(model.config, "max_position_embeddings", None)
        found = self._references(model, text)
        self._export(model)
        del model  # a large one should not be in memory beside its graph
        graph = take_graph(self._work, self.precision)
        layout, vocabulary = kv_layout(graph), vocabulary_size(graph)
        parity = self._write_graph(graph, found)
        self._write_text(text)
        return self._record(text, layout, vocabulary, limit, parity)

    def _references(self, model: TorchModel, text: TextSide) -> list[Reference]:
        if window := unchecked_window(model.config):
            self.progress.note(
                f"{self.name}: the sliding window of {window} tokens is too long to be checked here"
            )
        with self._phase("ask PyTorch for its logits"):
            return references(model, text.encode)

    def _export(self, model: TorchModel) -> None:
        bytes_each = 4 if self.precision == "fp32" else 2
        need_space(
            self.folder.parent, _COPIES * bytes_each * model.num_parameters(), f"exporting {self.name}"
        )
        model.config.save_pretrained(self._home)
        with self._phase(f"export through Optimum ({self.precision})"):
            run_optimum(model, self._work)

    def _write_graph(self, graph: ModelProto, found: list[Reference]) -> ParityRecord:
        """Write the graph and return its figures; of a compacted one, those of what is kept."""
        path = self._home / "model.onnx"
        with self._phase("write the graph"):
            saved = share_weights(graph)
            save_model(graph, path)
        if saved > _WORTH_SAYING:
            self.progress.note(
                f"{self.name}: {saved / 1e6:.0f} MB of weights were there twice and are shared"
            )
        with self._phase("compare with PyTorch"):
            parity = measure(path, found, TOLERANCE[self.precision], self.name)
        self._note(parity)
        return self._compact(path, found) if self.compact else parity

    def _compact(self, path: Path, found: list[Reference]) -> ParityRecord:
        import onnx

        from baco_exporters.compact import compact_weights

        with self._phase(f"store the weights in {self.compact} bits"):
            graph = compact_weights(onnx.load(path), bits=16 if self.compact == 16 else 8)
            path.with_name(path.name + ".data").unlink(missing_ok=True)
            save_model(graph, path)
        with self._phase("compare with PyTorch"):
            parity = measure(path, found, TOLERANCE[self._stored], self.name)
        self._note(parity)
        return parity

    def _record(
        self, text: TextSide, layout: KvLayout, vocabulary: int, limit: int | None, parity: ParityRecord
    ) -> MemberRecord:
        return MemberRecord(
            model=f"{self.name}/model.onnx",
            tokenizer=f"{self.name}/tokenizer.json",
            vocab_size=vocabulary,
            precision=self.precision
            if self.compact is None
            else f"{self.precision} stored as {self._stored}",
            kv=layout,
            source=self.source.record,
            end_ids=text.end_ids,
            context_limit=limit,
            chat_template=None if text.chat_template is None else f"{self.name}/chat_template.jinja",
            special_tokens=text.special_tokens,
            bos_ids=text.bos_ids,
            parity=parity,
        )

    def _write_text(self, text: TextSide) -> None:
        (self._home / "tokenizer.json").write_text(text.tokenizer, "utf-8")
        if text.chat_template is not None:
            (self._home / "chat_template.jinja").write_text(text.chat_template, "utf-8")
        for licence in self.source.licences:
            shutil.copyfile(licence, self._home / licence.name)
        if not text.end_ids:
            self.progress.note(
                f"{self.name}: the source states no end token; texts end at the length limit only"
            )

    def _note(self, parity: ParityRecord) -> None:
        figures = (
            f"at once {parity.whole:.2g}, token by token {parity.steps:.2g}, in chunks {parity.chunks:.2g}"
        )
        self.progress.note(
            f"{self.name}: largest logit difference {figures} (allowed: {parity.tolerance:.2g})"
        )

    def _phase(self, title: str) -> AbstractContextManager[None]:
        return self.progress.phase(f"{self.name}: {title}")

    @property
    def _stored(self) -> str:
        return {None: self.precision, 8: "int8", 16: "fp16"}[self.compact]

    @property
    def _work(self) -> Path:
        return self._home / "optimum"

    @property
    def _home(self) -> Path:
        return self.folder / self.name
