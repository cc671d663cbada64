"""The bundle: a folder with models, tokenizers and `baco.json`, its manifest (DESIGN 4).

    baco.json                       this file's Manifest, as JSON
    base/model.onnx[.data]          one folder a member (`base`, `aligned`; `model` when single)
    base/model.slots2.onnx          optional: the same for several sequences, on the same .data
    base/adapter.onnx_adapter       optional: LoRA weights that make this member of a shared graph
    base/tokenizer.json
    base/chat_template.jinja        optional

Two members may name the same files: two views of one set of weights, which a backend loads once.
Paths are relative, use `/`, and may not leave the folder, not even through a symbolic link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from baco_core.errors import BundleError, did_you_mean

FORMAT = 1
MANIFEST_NAME = "baco.json"
SINGLE = "model"
MAX_MANIFEST_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """Where a member's weights came from, and under which terms."""

    id: str
    revision: str | None = None
    sha256: str | None = None
    licence: str | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class KvLayout:
    """Shape of the KV cache: `layers` pairs of (batch, heads, length, head_size) of `dtype`.

    A growing cache is as long as what was read, and every pass returns a new one. A shared one is a buffer
    of any capacity, given as past and as present, which a pass fills further (GroupQueryAttention).
    """

    layers: int
    heads: int
    head_size: int
    dtype: str
    layout: Literal["growing", "shared"] = "growing"


@dataclass(frozen=True, slots=True)
class ParityRecord:
    """Largest absolute logit difference to PyTorch: prompt at once, token by token, in chunks."""

    tolerance: float
    whole: float
    steps: float
    chunks: float


@dataclass(frozen=True, slots=True)
class FusionRecord:
    """What fusing attention did to the graph: its operators by type, before and after.

    `reason` says why a graph was left as it was; it is empty for a fused one.
    """

    operators_before: dict[str, int] = field(default_factory=dict)
    operators_after: dict[str, int] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QualityRecord:
    """What quantising cost, on a held-out text of `tokens` tokens.

    `kl` is the mean of KL(float32 || quantised) over its positions in nats, `top1_agreement` the share of
    positions with the same likeliest token. `bits` are those of the `body`, `head` and `embedding`.
    """

    tokens: int
    kl: float
    top1_agreement: float
    perplexity: float
    perplexity_fp32: float
    bits: dict[str, int] = field(default_factory=dict)
    block_size: int | None = None
    accuracy_level: int | None = None


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """One model of a bundle. Paths are relative to the bundle's folder."""

    model: str
    tokenizer: str
    vocab_size: int
    precision: str
    kv: KvLayout
    source: SourceRecord
    end_ids: tuple[int, ...]
    context_limit: int | None = None
    chat_template: str | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)
    """What chat templates may name, such as bos_token and eos_token, as text."""
    bos_ids: tuple[int, ...] = ()
    """What a plain (base) context starts with; a chat template writes its own."""
    parity: ParityRecord | None = None
    """Of the float32 graph, when the weights were quantised after it."""
    slots: dict[str, str] = field(default_factory=dict)
    """Graphs that read several sequences in one pass: how many, and the file."""
    batch: str | None = None
    """Graph that reads one token of each of any number of sequences in a pass."""
    fusion: FusionRecord | None = None
    quality: QualityRecord | None = None
    adapter: str | None = None
    """An ONNX Runtime adapter file: this member is `model` with its weights."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size in bytes and SHA-256 (hex) of one file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `baco.json`."""

    format: int
    members: dict[str, MemberRecord]
    files: dict[str, FileRecord]
    created_with: dict[str, str] = field(default_factory=dict)
    """Versions of what made the bundle: baco, optimum-onnx, transformers, torch, onnx."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a backend needs to load one model. Equal values mean the same weights in memory."""

    onnx: Path
    vocab_size: int
    context_limit: int | None
    slots: tuple[tuple[int, Path], ...] = ()
    """The same decoder for several sequences a pass: how many, and the graph."""
    batch: Path | None = None
    """The same decoder for one token of each of any number of sequences a pass."""
    adapter: Path | None = None
    """A low-rank adapter (.onnx_adapter) to run the graph with."""
    together: int = 1
    """The most sequences that will be read in one pass, as far as the caller knows."""
    beside: int = 1
    """How many models will run at the same time: each should have its share of the cores."""
    singly: bool = False
    """Whether a sequence that has read its context will mostly be given one token a call. Then rows may
    be those of single tokens rather than those of many (see `TokenSequence.prefill`)."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on disk whose manifest was read; files are checked by `verify`."""

    folder: Path
    manifest: Manifest

    def member(self, name: str) -> MemberRecord:
        """Return the member of that name; BundleError names the ones there are."""
        try:
            return self.manifest.members[name]
        except KeyError:
            hint = did_you_mean(name, self.manifest.members, "Members")
            raise BundleError(f"{self.folder}: bundle has no member {name!r}.{hint}") from None

    def model_files(self, name: str) -> ModelFiles:
        """Return what a backend needs to load the member `name`."""
        record = self.member(name)
        slots = {int(count): self.path(path) for count, path in record.slots.items()}
        return ModelFiles(
            self.path(record.model),
            record.vocab_size,
            record.context_limit,
            slots=tuple(sorted(slots.items())),
            batch=None if record.batch is None else self.path(record.batch),
            adapter=None if record.adapter is None else self.path(record.adapter),
        )

    def path(self, relative: str) -> Path:
        """Return the absolute path of a file of the bundle; BundleError when it leaves the folder."""
        return inside(self.folder, relative)

    def verify(self) -> None:
        """Check size and SHA-256 of every file named by the manifest; BundleError names the first bad one."""
        for relative, record in self.manifest.files.items():
            _verify_file(self.path(relative), relative, record, self.folder)


def read_bundle(folder: Path) -> Bundle:
    """Read the manifest of `folder`; BundleError when it is missing, malformed, too new or unsafe."""
    bundle = Bundle(folder.resolve(), _read_manifest(folder))
    for relative in _paths(bundle.manifest):
        if not bundle.path(relative).is_file():
            raise BundleError(f"{folder}: file {relative!r} is missing; export the bundle again.")
    return bundle


def inside(folder: Path, relative: str) -> Path:
    """Return `folder/relative`, resolved; BundleError when it is absolute or leads outside."""
    pure = PurePosixPath(relative)
    path = (folder / pure).resolve()
    if pure.is_absolute() or "\\" in relative or not path.is_relative_to(folder.resolve()):
        raise BundleError(f"{folder}: path {relative!r} leaves the bundle; the bundle is not safe to use.")
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{path}: manifest is larger than {MAX_MANIFEST_BYTES} bytes.")
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: cannot read the manifest ({error.strerror}); is this a bundle?"
        ) from error
    return _parse_manifest(path, content)


def _parse_manifest(path: Path, content: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(content, type=_Versioned).format
        if version != FORMAT:
            raise BundleError(f"{path}: bundle format {version} is not {FORMAT}; export the bundle again.")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: malformed manifest: {error}.") from error
    for name, member in manifest.members.items():
        if wrong := [count for count in member.slots if not count.isdecimal() or int(count) < 2]:
            raise BundleError(f"{path}: malformed manifest: member {name!r} names {wrong[0]!r} slots.")
    return manifest


@dataclass(frozen=True, slots=True)
class _Versioned:
    format: int


def _paths(manifest: Manifest) -> Iterator[str]:
    yield from manifest.files
    for member in manifest.members.values():
        yield from (member.model, member.tokenizer, *member.slots.values())
        yield from (path for path in (member.chat_template, member.adapter, member.batch) if path)


def _verify_file(path: Path, relative: str, record: FileRecord, folder: Path) -> None:
    if path.stat().st_size != record.bytes:
        size = path.stat().st_size
        raise BundleError(
            f"{folder}: file {relative!r} has {size} bytes, not {record.bytes}; export it again."
        )
    if sha256_of(path) != record.sha256:
        raise BundleError(f"{folder}: file {relative!r} does not match its SHA-256; export it again.")
