"""A browser without a window, the page's modules in Node, and the stand-in for the server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from page_node import Node, find_node
from page_standin import StandIn
from page_visits import FLAGS, Visit, Visiting, find_chromium, served

PAGE = Path(str(files("baco_server"))) / "page"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The page's modules in Node, that of the system or Playwright's own."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(PAGE, folder, dirs_exist_ok=True)
    shutil.copy(Path(__file__).with_name("probes.mjs"), folder)
    (folder / "package.json").write_text('{"type": "module"}', "utf-8")
    running = Node(find_node(), folder)
    yield running
    running.close()


@pytest.fixture(scope="module")  # while Playwright runs, `asyncio.run` does not: tests after these need it
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def visiting(browser: Any) -> Iterator[Visiting]:
    """Open contexts; at the end none may have complained, nor asked another host for anything."""
    visits: list[Visit] = []

    def visit(url: str, **context: Any) -> Visit:
        visits.append(Visit(browser, url, **context))
        return visits[-1]

    yield visit
    for made in visits:
        made.context.close()
        assert made.complaints == []
        assert [url for url in made.requests if not url.startswith((made.url, "data:"))] == []


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of `baco serve` with the embedded pair."""
    command = [sys.executable, "-m", "baco_core.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        lines = iter(running.stdout.readline, "")
        said = next(found for line in lines if (found := re.search(r"http://[\d.:]+", line)))
        reader = threading.Thread(target=running.stdout.read, daemon=True)  # its log must not fill the pipe
        reader.start()
        yield f"{said[0]}/"
        running.terminate()
        reader.join(30)


@pytest.fixture
def standin() -> Iterator[tuple[StandIn, str]]:
    """The stand-in and its address."""
    made = StandIn(PAGE)
    with served(made.app) as (_, url):
        yield made, url
