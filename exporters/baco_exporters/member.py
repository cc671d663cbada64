"""One member of a bundle: its graph, its text side, its figures, its licences."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from baco_core.bundle import MemberRecord
from baco_exporters.fetch import Fetched
from baco_exporters.onnx_export import run_optimum, take_graph
from baco_exporters.parity import Reference, references, unchecked_window
from baco_exporters.partial import need_space
from baco_exporters.progress import Progress
from baco_exporters.recipe import Recipe
from baco_exporters.stages import Made, Original, Stages
from baco_exporters.text_side import TextSide, text_side
from baco_exporters.torch_model import TorchModel, load_model

_COPIES = 3
"""What an export has on disk at once, in sizes of the model: Optimum's file, which may hold a tied head
twice, and ours."""


@dataclass(frozen=True, slots=True)
class MemberExport:
    """Exports one fetched model into `folder/name`."""

    name: str
    source: Fetched
    folder: Path
    recipe: Recipe
    progress: Progress

    def run(self) -> MemberRecord:
        """Export, compare with PyTorch, write; return the manifest's record. Raises ExportError."""
        self._home.mkdir()
        with self._phase("read the tokenizer"):
            text = text_side(self.source)
        with self._phase("load the weights into PyTorch"):
            model = load_model(self.source)
        limit = getattr(model.config, "max_position_embeddings", None)
        original = Original(model.config, self._references(model, text), text.encode, text.bos_ids)
        self._export(model)
        del model  # a large one should not be in memory beside its graph
        graph = take_graph(self._work, self.recipe.exported_as)
        made = Stages(self.name, self._home / "model.onnx", self.recipe, original, self.progress).run(graph)
        self._write_text(text)
        return self._record(text, made, limit)

    def _references(self, model: TorchModel, text: TextSide) -> list[Reference]:
        if window := unchecked_window(model.config):
            self.progress.note(
                f"{self.name}: the sliding window of {window} tokens is too long to be checked here"
            )
        with self._phase("ask PyTorch for its logits"):
            return references(model, text.encode)

    def _export(self, model: TorchModel) -> None:
        bytes_each = 2 if self.recipe.precision == "fp16" else 4
        need_space(
            self.folder.parent, _COPIES * bytes_each * model.num_parameters(), f"exporting {self.name}"
        )
        model.config.save_pretrained(self._home)
        with self._phase(f"export through Optimum ({self.recipe.exported_as})"):
            run_optimum(model, self._work)

    def _record(self, text: TextSide, made: Made, limit: int | None) -> MemberRecord:
        return MemberRecord(
            model=f"{self.name}/model.onnx",
            tokenizer=f"{self.name}/tokenizer.json",
            vocab_size=made.vocabulary,
            precision=self.recipe.name,
            kv=made.kv,
            source=self.source.record,
            end_ids=text.end_ids,
            context_limit=limit,
            chat_template=None if text.chat_template is None else f"{self.name}/chat_template.jinja",
            special_tokens=text.special_tokens,
            bos_ids=text.bos_ids,
            parity=made.parity,
            slots={count: f"{self.name}/{file}" for count, file in made.slots.items()},
            fusion=made.fusion,
            quality=made.quality,
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

    def _phase(self, title: str) -> AbstractContextManager[None]:
        return self.progress.phase(f"{self.name}: {title}")

    @property
    def _work(self) -> Path:
        return self._home / "optimum"

    @property
    def _home(self) -> Path:
        return self.folder / self.name
