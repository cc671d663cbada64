"""`baco doctor`: says what is installed and what is broken."""

from __future__ import annotations

import os
import platform
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core import __version__
from baco_core.command import Command
from baco_core.errors import BacoError

if TYPE_CHECKING:
    from baco_core.bundle import MemberRecord
    from baco_core.plugins import Plugins

NEEDED = ("jinja2", "msgspec", "numpy", "platformdirs", "pluggy", "pyyaml", "tokenizers")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    what: str
    text: str
    fine: bool = True


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="do not read bundles to check their hashes")
    parser.add_argument(
        "--memory",
        type=Path,
        metavar="CONFIG",
        help="instead, open the pair of a config and say where the memory goes (Linux)",
    )


def _run(options: Namespace) -> int:
    if options.memory:
        from baco_core.cli.doctor_memory import show_memory

        return show_memory(options)
    findings = []
    for finding in examine(options):
        findings.append(finding)
        print(f"{'ok ' if finding.fine else 'BAD'}  {finding.what:22} {finding.text}", flush=True)
    broken = sum(not finding.fine for finding in findings)
    print(f"{broken} broken." if broken else "All is well.", file=sys.stderr)
    return 1 if broken else 0


def examine(options: Namespace) -> Iterator[Finding]:
    """Yield every finding; nothing that is broken stops the rest."""
    from baco_core.bench.machine import cores
    from baco_core.plugins import load_plugins

    yield Finding("baco", __version__)
    yield Finding("python", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("cores", str(cores()))
    yield from map(_package, NEEDED)
    yield _cache()
    failures: list[BacoError] = []
    plugins = load_plugins(options.plugin, failures=failures, where="--plugin")
    yield from (Finding(f"plugin {owner.plugin}", str(owner)) for owner in plugins.loaded)
    yield from (Finding("plugin", str(failure), fine=False) for failure in failures)
    yield from _health(plugins)
    yield from _bundles(plugins, quick=options.quick)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str) -> Finding:
    version = _version(name)
    return Finding(name, version or "not installed; run: pip install baco", fine=version is not None)


def _cache() -> Finding:
    from baco_core.paths import cache_folder

    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    return Finding("cache folder", f"{folder}{'' if writable else ' cannot be written'}", fine=writable)


def _health(plugins: Plugins) -> list[Finding]:
    findings: list[Finding] = []
    try:
        plugins.report_health(lambda what, text, fine: findings.append(Finding(what, text, fine)))
    except BacoError as error:
        findings.append(Finding("plugin", str(error), fine=False))
    return findings


def _bundles(plugins: Plugins, *, quick: bool) -> Iterator[Finding]:
    from baco_core.bundle import MANIFEST_NAME
    from baco_core.paths import bundles_folder

    known = {entry.name: entry.value for entry in plugins.bundles.entries()}
    known |= {path.parent.name: path.parent for path in sorted(bundles_folder().glob(f"*/{MANIFEST_NAME}"))}
    for name, folder in known.items():
        yield _bundle(name, folder, quick=quick)


def _bundle(name: str, folder: Path, *, quick: bool) -> Finding:
    from baco_core.bundle import read_bundle

    try:
        bundle = read_bundle(folder)
        if not quick:
            bundle.verify()
    except (BacoError, OSError) as error:
        return Finding(f"bundle {name}", str(error), fine=False)
    members = ", ".join(f"{name} ({_made(bundle.member(name))})" for name in sorted(bundle.manifest.members))
    return Finding(f"bundle {name}", f"{members} in {bundle.folder}{' (not verified)' if quick else ''}")


def _made(member: MemberRecord) -> str:
    """Return in which precision a member is, and what that cost."""
    quality = f", KL {member.quality.kl:.2g} nats" if member.quality else ""
    return f"{member.precision}{'' if member.kv.layout == 'shared' else ', unfused'}{quality}"


COMMAND = Command("Say what is installed and what is broken.", _configure, _run)
