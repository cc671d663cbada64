"""Who may ask: the dependency of every route under /v1."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from baco_server.api.errors import ApiError
from baco_server.api.state import state_of

bearer = HTTPBearer(auto_error=False, description="Needed where the server has API keys.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


async def check_key(request: Request, given: Bearer) -> None:
    """Raise ApiError 401 for a missing or wrong key."""
    key = None if given is None else given.credentials.encode("utf-8", "surrogateescape")
    if not state_of(request).keys.allow(key):
        what = "no API key was given" if key is None else "the API key is wrong"
        error = ApiError(401, f"{what}; send it as 'Authorization: Bearer KEY'.")
        error.headers = {"www-authenticate": "Bearer"}
        raise error
