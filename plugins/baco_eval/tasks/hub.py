"""Data sets of the Hugging Face hub: files that are data, never code."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from baco_core.errors import ConfigError

DATA = (".jsonl", ".parquet")


def fetch(dataset: str, containing: str, revision: str | None = None) -> Iterator[Path]:
    """Yield the data files of a hub data set whose path holds `containing`, in order, each once it is here.

    They are kept in the hub's own cache. Raises ConfigError when huggingface_hub is not installed, the
    hub cannot be reached or refuses, or there is no such file.
    """
    try:
        hub: Any = import_module("huggingface_hub")
    except ImportError:
        raise ConfigError(
            f"{dataset}: the hub needs huggingface_hub: pip install 'baco[eval]'; or set 'path' to a file."
        ) from None
    options = {"repo_type": "dataset", "revision": revision}
    for name in _names(hub, dataset, containing, options):
        yield Path(_ask(dataset, hub.hf_hub_download, dataset, name, **options))


def _names(hub: Any, dataset: str, containing: str, options: dict[str, str | None]) -> list[str]:
    listed: list[str] = _ask(dataset, hub.HfApi().list_repo_files, dataset, **options)
    names = sorted(name for name in listed if name.endswith(DATA) and containing in name)
    if not names:
        raise ConfigError(f"{dataset}: the hub's data set has no {' or '.join(DATA)} with {containing!r}.")
    return names


def _ask(dataset: str, function: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return function(*arguments, **options)
    except (OSError, ValueError) as error:  # the hub's own errors are among these, network trouble too
        reason = (
            str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        )
        raise ConfigError(
            f"{dataset}: could not be fetched from the hub ({reason}); set 'path' to a local file, or repeat."
        ) from error
