"""What is known of one request, for its log line and the metrics."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import Scope

HEADER = "x-request-id"
_VALID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(slots=True)
class Record:
    """One request. It holds neither prompt nor text nor key."""

    id: str
    route: str = ""
    """The path as it was declared, so that there are only so many."""
    model: str = ""
    stream: bool = False
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    status: int = 0
    gone: bool = False
    """Whether the client went away before the end."""
    failed: str = ""
    """The code of an error that came in mid-stream, when the status was sent already."""
    more: dict[str, object] = field(default_factory=dict)
    """What is logged only where the config says so: prompt and texts."""


def request_id(scope: Scope) -> str:
    """Return the id that the client gave where it is one, else a new one."""
    given = Headers(scope=scope).get(HEADER, "")
    return given if _VALID.fullmatch(given) else new_id()


def new_id() -> str:
    """Return an id that no other request has."""
    return f"req-{secrets.token_hex(12)}"
