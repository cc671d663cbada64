"""One server for all tests of the API that do not change it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from api_world import Api

MISSING = [name for name in ("fastapi", "openai") if find_spec(name) is None]
collect_ignore_glob = ["*"] if MISSING else []


def pytest_report_header() -> list[str]:
    """Say why no server is tested, where that is so."""
    return [f"tests/server are left out: {', '.join(MISSING)} not installed (baco[dev])"] if MISSING else []


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    """A server of two pairs, both of them the embedded one."""
    from api_world import running

    with running() as found:
        yield found
