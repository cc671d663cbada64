"""Writing a bundle: fetch, export, gate, manifest, and one rename at the end (format: baco_core.bundle)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from baco_core.bundle import FORMAT, MANIFEST_NAME, SINGLE, FileRecord, Manifest, MemberRecord, sha256_of
from baco_core.errors import ConfigError, ExportError
from baco_exporters.fetch import Fetched, fetch
from baco_exporters.member import MemberExport
from baco_exporters.partial import partial_folder
from baco_exporters.progress import Progress
from baco_exporters.recipe import Recipe

_MADE_WITH = ("baco", "optimum-onnx", "transformers", "torch", "onnx", "onnxruntime", "tokenizers", "gguf")


@dataclass(frozen=True, slots=True)
class Order:
    """What to export: a SOURCE for each member (`base` and `aligned`, or `model`), where to, and how."""

    sources: Mapping[str, str]
    out: Path
    recipe: Recipe = field(default_factory=Recipe)
    force: bool = False
    adapter: Path | None = None
    """A PEFT folder that makes the aligned model of the base model; then `base` is the only source."""

    def __post_init__(self) -> None:
        if self.adapter is None:
            return
        if set(self.sources) != {"base"}:
            raise ConfigError(
                "baco export: --aligned-adapter makes an aligned model of --base; give these two."
            )
        if self.recipe.compact or self.recipe.precision == "fp16" or not self.recipe.fuse:
            raise ConfigError(
                "baco export: an adapter needs a fused graph in fp32, int8 or int4; leave out --no-fuse and "
                "--compact, and choose one of these with --precision."
            )


def export_bundle(order: Order, progress: Progress) -> Manifest:
    """Export every member and put the bundle at `order.out`, whole or not at all.

    Members with the same SOURCE share one set of files. Raises ExportError; nothing is left then.
    """
    target = order.out.expanduser().resolve()
    check_target(target, force=order.force)
    fetched = {text: fetch(text, progress) for text in dict.fromkeys(order.sources.values())}
    for source in fetched.values():
        progress.note(source.terms)
    with partial_folder(target) as partial:
        manifest = _write(order, fetched, partial, progress)
        publish(partial, target)
    return manifest


def check_target(target: Path, *, force: bool) -> None:
    """Raise ExportError when a bundle may not be put at `target`.

    `force` allows to replace a bundle, never another folder.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not (target / MANIFEST_NAME).is_file():
        raise ExportError(f"{target}: exists and is not a bundle; choose another folder.")
    if not force:
        raise ExportError(f"{target}: a bundle is there already; pass --force to replace it.")


def _write(order: Order, fetched: Mapping[str, Fetched], folder: Path, progress: Progress) -> Manifest:
    records: dict[str, MemberRecord] = {}
    for text, source in fetched.items():
        names = [name for name, wanted in order.sources.items() if wanted == text]
        member = names[0] if len(names) == 1 else SINGLE
        export = MemberExport(member, source, folder, order.recipe, progress, order.adapter)
        made = export.run()
        records |= dict.fromkeys(names, made.pop(member)) | made
    _write_notice(fetched.values(), folder)
    members = {name: records[name] for name in (*order.sources, *records)}
    manifest = Manifest(FORMAT, members, file_records(folder), made_with())
    (folder / MANIFEST_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def _write_notice(sources: Iterable[Fetched], folder: Path) -> None:
    lines = [
        f"{source.terms} BACo's exporter converted the weights to ONNX; they are not the originals."
        for source in sources
    ]
    (folder / "NOTICE.txt").write_text("\n".join(lines) + "\n", "utf-8")


def file_records(folder: Path) -> dict[str, FileRecord]:
    """Return size and SHA-256 of every file in a folder, by its path there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): FileRecord(path.stat().st_size, sha256_of(path))
        for path in paths
    }


def made_with() -> dict[str, str]:
    """Return the versions of what takes part in an export."""
    found = {}
    for name in _MADE_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an optional part, or a source tree that is not installed
    return found


def publish(partial: Path, target: Path) -> None:
    """Put the finished folder in place; an older bundle is moved aside first and removed last."""
    aside = target.with_name(f"{partial.name}-replaced")
    if target.exists():
        target.rename(aside)
    try:
        partial.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
