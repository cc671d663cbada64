"""One server for all tests of the API that do not change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="serves; part of baco[server]")
pytest.importorskip("openai", reason="asks the server; part of baco[dev]")

from api_world import Api, running


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """A server of two pairs, both of them the embedded one."""
    with running() as found:
        yield found
