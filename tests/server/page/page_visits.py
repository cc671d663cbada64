"""Visits to the page in a browser without a window, and servers to visit."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
WAIT = 120_000
"""Milliseconds that anything on the page may take: a busy machine is no failure."""


def find_chromium(playwright: Any) -> str:
    """Return a Chromium to run, Playwright's own or the system's; skip where there is none."""
    own = str(playwright.chromium.executable_path)
    for path in filter(None, map(shutil.which, (own, *CHROMIUMS))):
        return path
    pytest.skip("Chromium is not installed: `playwright install chromium`, or the system's package")


class Visit:
    """One page in a context of its own, and all it complained of and asked for."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.context.set_default_timeout(WAIT)
        self.page = self.tab()

    def tab(self) -> Any:
        """Open one more tab."""
        page = self.context.new_page()
        page.on("console", lambda message: self.note(message))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        return page

    def note(self, message: Any) -> None:
        """Keep errors and warnings; that an answer was refused the browser says by itself."""
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def open(self, fragment: str = "", page: Any = None) -> Any:
        """Go to the page, wait until it can write, and return it."""
        page = page or self.page
        page.goto(f"{self.url}{fragment}")
        ready(page)
        return page


def ready(page: Any) -> None:
    """Wait until the page can write."""
    page.wait_for_selector("#write[aria-disabled=false]")


def write(page: Any, prompt: str) -> None:
    """Have a prompt written, to the end."""
    page.fill("#prompt", prompt)
    page.click("#write")
    ready(page)


def until(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; return whether it ever did."""
    deadline = time.monotonic() + WAIT / 1000
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


Visiting = Callable[..., Visit]


@contextmanager
def served(app: Any) -> Iterator[tuple[uvicorn.Server, str]]:
    """Serve an app on a free port, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert until(lambda: server.started)
    try:
        yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)
