"""Models we know by a short name, with checksum and licence, and the notices licences ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """A packaged model: `source` is what parse_source reads, `licences` the licence files it brings."""

    id: str
    source: str
    sha256: str
    licence: str
    notice: str
    licences: tuple[str, ...]
    about: str


@cache
def catalogue() -> dict[str, Known]:
    """Return the known models by short name."""
    return {
        name: Known(**{**entry, "licences": tuple(entry["licences"])})
        for name, entry in _data()["models"].items()
    }


def known_by_checksum(sha256: str) -> Known | None:
    """Return the known model whose file has that SHA-256, however it was named or fetched."""
    return next((known for known in catalogue().values() if known.sha256 == sha256), None)


def notice_of(licence: str | None) -> str | None:
    """Return the notice that a licence asks to be shown, or None when it asks for none we know of."""
    notice: str | None = _data()["notices"].get((licence or "").lower())
    return notice


@cache
def _data() -> dict[str, Any]:
    import yaml

    text = files("baco_exporters").joinpath("data/catalogue.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
