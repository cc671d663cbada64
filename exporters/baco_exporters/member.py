"""One member of a bundle: its graph, its text side, its figures, its licences."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from baco_core.bundle import MemberRecord, ParityRecord
from baco_core.errors import ExportError
from baco_exporters.fetch import Fetched
from baco_exporters.onnx_export import run_optimum, take_graph
from baco_exporters.parity import Reference, references, unchecked_window
from baco_exporters.partial import need_space
from baco_exporters.progress import Progress
from baco_exporters.recipe import Recipe
from baco_exporters.stages import Adaptation, Made, Original, Stages
from baco_exporters.text_side import TextSide, text_side, vocabulary_of
from baco_exporters.torch_model import TorchModel, load_model

ADAPTED = "aligned"
"""The member that an adapter makes of a base model."""

_BYTES = 4
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
    adapter: Path | None = None
    """A PEFT folder; with it the model becomes two members, `base` and `aligned`."""

    def run(self) -> dict[str, MemberRecord]:
        """Export, compare with PyTorch, write; return the manifest's records, by this name and `aligned`.

        Raises ExportError.
        """
        self._home.mkdir()
        with self._phase("read the tokenizer"):
            text = text_side(self.source)
            adapted_text = self._text_of_adapter(text)
        with self._phase("load the weights into PyTorch"):
            model = load_model(self.source)
        limit = getattr(model.config, "max_position_embeddings", None)
        found, adaptation = self._references(model, text), self._adaptation(model, text)
        original = Original(model.config, found, text.encode, text.bos_ids, adaptation)
        self._export(model)
        del model  # a large one should not be in memory beside its graph
        graph = take_graph(self._work)
        made = Stages(self.name, self._home / "model.onnx", self.recipe, original, self.progress).run(graph)
        self._write_text(text, self._home)
        record = self._record(text, made, limit)
        if self.adapter is None or made.adapted is None:
            return {self.name: record}
        self._write_text(adapted_text, self._adapted_home)
        return {self.name: record, ADAPTED: self._adapted(record, adapted_text, made.adapted)}

    def _references(self, model: TorchModel, text: TextSide) -> list[Reference]:
        if window := unchecked_window(model.config):
            self.progress.note(
                f"{self.name}: the sliding window of {window} tokens is too long to be checked here"
            )
        with self._phase("ask PyTorch for its logits"):
            return references(model, text.encode)

    def _adaptation(self, model: TorchModel, text: TextSide) -> Adaptation | None:
        if self.adapter is None:
            return None
        from baco_exporters.peft_folder import read_adapter
        from baco_exporters.torch_model import adapted, weights_of

        matrices = read_adapter(self.adapter)
        weights = weights_of(model, matrices)
        with self._phase("ask PyTorch with the adapter merged"), adapted(model, matrices):
            found = references(model, text.encode)
        return Adaptation(matrices, weights, found, self._adapted_home / "adapter.onnx_adapter")

    def _text_of_adapter(self, text: TextSide) -> TextSide:
        """Return the text side in the adapter's folder, which often has a chat template; else the base's."""
        if self.adapter is None or not (self.adapter / "tokenizer_config.json").is_file():
            return text
        adapted = text_side(replace(self.source, kind="folder", path=self.adapter))
        if vocabulary_of(adapted) != vocabulary_of(text):
            raise ExportError(
                f"{self.adapter}: the adapter's tokenizer has other tokens than the base model's; merge the "
                "adapter into the model, and export base and aligned as two models."
            )
        return adapted

    def _adapted(self, record: MemberRecord, text: TextSide, parity: ParityRecord) -> MemberRecord:
        source = replace(record.source, id=f"{record.source.id} with the adapter {self._adapter_name}")
        return replace(
            record,
            tokenizer=f"{ADAPTED}/tokenizer.json",
            source=source,
            end_ids=text.end_ids,
            chat_template=None if text.chat_template is None else f"{ADAPTED}/chat_template.jinja",
            special_tokens=text.special_tokens,
            bos_ids=text.bos_ids,
            parity=parity,
            adapter=f"{ADAPTED}/adapter.onnx_adapter",
        )

    def _export(self, model: TorchModel) -> None:
        need_space(self.folder.parent, _COPIES * _BYTES * model.num_parameters(), f"exporting {self.name}")
        model.config.save_pretrained(self._home)
        with self._phase("export through Optimum"):
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
            batch=None if made.batch is None else f"{self.name}/{made.batch}",
            fusion=made.fusion,
            quality=made.quality,
        )

    def _write_text(self, text: TextSide, folder: Path) -> None:
        (folder / "tokenizer.json").write_text(text.tokenizer, "utf-8")
        if text.chat_template is not None:
            (folder / "chat_template.jinja").write_text(text.chat_template, "utf-8")
        for licence in self.source.licences:
            shutil.copyfile(licence, folder / licence.name)
        if not text.end_ids:
            self.progress.note(
                f"{self.name}: the source states no end token; texts end at the length limit only"
            )

    def _phase(self, title: str) -> AbstractContextManager[None]:
        return self.progress.phase(f"{self.name}: {title}")

    @property
    def _adapter_name(self) -> str:
        return self.adapter.resolve().name if self.adapter else ""

    @property
    def _adapted_home(self) -> Path:
        return self.folder / ADAPTED

    @property
    def _work(self) -> Path:
        return self._home / "optimum"

    @property
    def _home(self) -> Path:
        return self.folder / self.name
