"""`manifest.json`: what the texts of a sweep's folder were made of, so that nothing else is mixed in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from baco_core.bench.machine import versions as core_versions
from baco_core.bundle import MANIFEST_NAME as BUNDLE_MANIFEST
from baco_core.bundle import sha256_of
from baco_core.config import Config
from baco_core.opening import references_of
from baco_core.options import show
from baco_core.plugins import Plugins
from baco_core.source import Source
from baco_eval.records import FORMAT, Prompt, Setting
from baco_eval.sweep.config import SweepConfig, identity
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.grid import finite
from baco_eval.sweep.lines import write_whole
from baco_eval.tasks.task import fingerprint

MANIFEST_NAME = "manifest.json"
CONFIG_NAME = "sweep.yaml"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_NOTHING = object()


class TaskRecord(msgspec.Struct, frozen=True):
    """Which prompts: the SHA-256 of all of them as JSON, and how many."""

    name: str
    sha256: str
    prompts: int


class Manifest(msgspec.Struct, frozen=True):
    """The content of the file. `today` is what chat templates are told, the day the sweep was begun."""

    format: int
    config_sha256: str
    task: TaskRecord
    bundles: dict[str, str]
    versions: dict[str, str]
    settings: list[Setting]
    n: int
    seed: int
    today: str
    config: dict[str, Any]


def make_manifest(
    sweep: SweepConfig,
    config: Config,
    plugins: Plugins,
    prompts: Sequence[Prompt],
    settings: Sequence[Setting],
    today: str,
) -> Manifest:
    """Return the manifest of a sweep that is begun today; `config` is that of any of its settings."""
    data = finite(identity(sweep))
    task = TaskRecord(sweep.task.use, fingerprint(prompts), len(prompts))
    return Manifest(
        FORMAT,
        _sha256(data),
        task,
        _bundles(sweep, config, plugins),
        _versions(plugins),
        list(settings),
        sweep.n,
        sweep.seed,
        today,
        data,
    )


def read_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest, None when there is none; SweepError when it cannot be read."""
    path = folder / MANIFEST_NAME
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        date.fromisoformat(manifest.today)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SweepError(f"{path}: cannot read the file: {error.strerror}.") from error
    except ValueError as error:  # no JSON, not UTF-8, fields that are no manifest's, no date
        raise SweepError(f"{path}: malformed manifest: {error}; use another folder.") from error
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the file, all of it or none."""
    data = msgspec.to_builtins(manifest)
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / MANIFEST_NAME, text.encode())


def check_same(old: Manifest, new: Manifest, folder: Path) -> None:
    """Raise SweepError saying what differs, when texts of `new` do not belong to those of `old`."""
    before, now = msgspec.to_builtins(old), msgspec.to_builtins(new)
    for name, label in (
        ("format", "another format"),
        ("config", "another config"),
        ("task", "other prompts"),
        ("bundles", "other bundles"),
        ("versions", "other versions"),
        ("settings", "other settings"),
        ("n", "another number of texts"),
        ("seed", "another seed"),
        ("config_sha256", "another config"),
    ):
        found = difference(before[name], now[name], "" if name == "config" else name)
        if found:
            raise SweepError(
                f"{folder}: was begun with {label}: {found}; put that back, or name another folder."
            )


def check_machine(manifest: Manifest, sweep: SweepConfig, plugins: Plugins) -> None:
    """Raise SweepError saying which version or bundle differs here from those of the manifest."""
    config = sweep.config(sweep.methods[0].router, sweep.sampler, manifest.today)
    bundles = dict(zip(manifest.bundles, _bundles(sweep, config, plugins).values(), strict=False))
    found = difference(manifest.bundles, bundles, "bundles")
    found = found or difference(manifest.versions, _versions(plugins), "versions")
    if found:
        raise SweepError(f"what the sweep was begun with is not what is here: {found}.")


def difference(before: Any, now: Any, path: str) -> str:
    """Return the first place where two values of plain data differ, and how; nothing when they don't."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [*before, *(key for key in now if key not in before)]
        pairs = [
            (before.get(key, _NOTHING), now.get(key, _NOTHING), f"{path}.{key}" if path else key)
            for key in keys
        ]
    elif isinstance(before, list) and isinstance(now, list):
        longest = max(len(before), len(now))
        pairs = [(_at(before, i), _at(now, i), f"{path}[{i}]") for i in range(longest)]
    else:
        same = before == now and type(before) is type(now)
        return "" if same else f"{path} was {_shown(before)} and is {_shown(now)}"
    return next((found for pair in pairs if (found := difference(*pair))), "")


def _at(items: Sequence[Any], index: int) -> Any:
    return items[index] if index < len(items) else _NOTHING


def _shown(value: Any) -> str:
    return "not there" if value is _NOTHING else show(value)


def _sha256(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _bundles(sweep: SweepConfig, config: Config, plugins: Plugins) -> dict[str, str]:
    """Return the hash of each bundle's manifest, by its name in the config: it names every file's."""
    pair = sweep.pair
    names = {Source.BASE: pair.bundle or pair.base, Source.ALIGNED: pair.bundle or pair.aligned}
    return {
        str(names[source]): sha256_of(reference.bundle.folder / BUNDLE_MANIFEST)
        for source, reference in references_of(config.pair, plugins.bundles, "pair").items()
    }


def _versions(plugins: Plugins) -> dict[str, str]:
    """Return the versions that texts may depend on: BACo's, the runtime's and those of the plugins."""
    found = core_versions()
    for name in RUNTIMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    found.update(
        {
            owner.distribution: owner.version
            for owner in plugins.loaded
            if owner.distribution not in ("", "baco")
        }
    )
    return found
