"""Errors as OpenAI shapes them: `{"error": {message, type, param, code, request_id}}`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from baco_core.errors import BacoError, ConfigError, ContextError, InternalError, LookUpError, PromptError
from baco_server.desk import ClosingError, QueueFullError

TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}
TYPES |= {404: "not_found_error", 408: "timeout_error", 413: "invalid_request_error", 429: "rate_limit_error"}
CODES = {401: "invalid_api_key", 404: "not_found", 405: "method_not_allowed", 408: "request_timeout"}
CODES |= {
    413: "request_too_large",
    431: "headers_too_large",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "unavailable",
}
ASKERS = (ConfigError, LookUpError, PromptError, ContextError)
"""What is wrong with a request rather than with us."""


class ApiError(HTTPException):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        headers = {} if retry_after is None else {"retry-after": str(max(1, math.ceil(retry_after)))}
        super().__init__(status, " ".join(message.split()), headers)
        self.param = param
        self.code = code or CODES.get(status)

    def data(self, request_id: str) -> dict[str, Any]:
        """Return the body of the answer."""
        kind = TYPES.get(
            self.status_code, "invalid_request_error" if self.status_code < 500 else "server_error"
        )
        body = {"message": self.detail, "type": kind, "param": self.param, "code": self.code}
        return {"error": {**body, "request_id": request_id}}

    def response(self, request_id: str) -> Response:
        """Return the answer."""
        content = msgspec.json.encode(self.data(request_id))
        return Response(content, self.status_code, self.headers, "application/json")


def refused(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return the error for a request that is wrong in itself (400)."""
    return ApiError(400, message, param=param, code=code)


def from_http(error: HTTPException) -> ApiError:
    """Return the framework's own error, such as 404 for a path, in our shape."""
    found = ApiError(error.status_code, str(error.detail))
    found.headers = error.headers
    return found


def from_failure(error: Exception) -> ApiError:
    """Return what a client is told of an error in the core or in a plugin: 500 only where it is ours."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, QueueFullError):
        return ApiError(429, str(error), code="queue_full", retry_after=error.retry_after)
    if isinstance(error, ClosingError):
        return ApiError(503, str(error), code="closing", retry_after=5)
    if isinstance(error, ContextError):
        text = str(error).replace("decode.max_new_tokens", "max_tokens")
        return refused(text, code="context_length_exceeded")
    if isinstance(error, ASKERS):
        param = param_of(str(error))
        _, colon, rest = str(error).partition(":")
        return refused(f"{param}{colon}{rest}" if param else str(error), param)
    if isinstance(error, BacoError) and not isinstance(error, InternalError):
        return ApiError(500, str(error))
    return ApiError(500, "something of ours failed; the log tells more under this request id.")


FIELDS: Mapping[str, str] = {
    "decode.max_new_tokens": "max_tokens",
    "decode.n": "n",
    "decode.seed": "seed",
    "decode.stop": "stop",
    "decode.schedule": "baco.schedule",
    "decode.switch_at": "baco.switch_at",
    "router.options": "baco.options",
    "router.use": "baco.router",
    "router": "baco.router",
    "sampler.options.": "",
}
"""What the fields of a request are called in a config, longest first where one begins another."""


def param_of(message: str) -> str | None:
    """Return which field of a request a complaint about a config is about, as far as it says."""
    place = message.partition(":")[0]
    for ours, theirs in FIELDS.items():
        if place.startswith(ours):
            return theirs + place[len(ours) :]
    return None
