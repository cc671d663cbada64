"""A question to an OpenAI-compatible endpoint, over the standard library's HTTP client.

Only http and https; no proxies, no redirects, answers limited in size and time. The key is sent as a
header and never shown.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from baco_core.errors import PluginError

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.error import HTTPError
    from urllib.request import OpenerDirector, Request

_MOST_BYTES = 1 << 20
_FIRST_WAIT = 0.5
_MOST_TOKENS = 8
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class _BusyError(PluginError):
    """The endpoint says that it may answer later."""


def require_address(address: str) -> None:
    """Raise ValueError unless `address` is a plain http or https address without a password."""
    if "@" in address:
        raise ValueError("endpoint must not hold a user or password; name a variable in api_key_env")
    if not _is_address(address):
        raise ValueError(f"endpoint must be like http://127.0.0.1:8000/v1, not {address!r}")


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False
    plain = address.isascii() and address.isprintable() and " " not in address
    return bool(known and plain and not parts.query and not parts.fragment)


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """One model behind an OpenAI-compatible API; `address` is what `/chat/completions` follows.

    `timeout` is in seconds and holds for each of up to `1 + retries` attempts; only an endpoint that
    says it is busy (429, 502, 503, 504) is asked again, after 0.5, 1, 2 ... seconds.
    """

    address: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    retries: int = 0

    def ask(self, question: str) -> str:
        """Return the answer to one user message, at temperature 0.

        Raises PluginError that names the endpoint and what to do.
        """
        for attempt in range(self.retries):
            try:
                return self._ask_once(question)
            except _BusyError:
                time.sleep(_FIRST_WAIT * 2**attempt)
        return self._ask_once(question)

    def _ask_once(self, question: str) -> str:
        body = self._send(self._request(question))
        try:
            answer = json.loads(body)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError):
            answer = None
        if not isinstance(answer, str):
            raise self._error("sent no chat completion; is `endpoint` an OpenAI-compatible API?")
        return answer

    def _request(self, question: str) -> Request:
        from urllib.request import Request

        message = {"role": "user", "content": question}
        body: dict[str, Any] = {"model": self.model, "messages": [message]}
        body |= {"temperature": 0, "max_tokens": _MOST_TOKENS}
        headers = {"Content-Type": "application/json", "User-Agent": "baco"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        url = f"{self.address.rstrip('/')}/chat/completions"
        return Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the scheme was checked

    def _send(self, request: Request) -> bytes:
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError

        deadline = time.monotonic() + self.timeout
        try:
            with _opener().open(request, timeout=self.timeout) as response:
                return self._read(response, deadline)
        except HTTPError as error:
            with error:
                raise self._refusal(error) from None
        except TimeoutError:
            raise self._too_slow() from None
        except URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._too_slow() from None
            raise self._unreachable(error.reason) from None
        except (HTTPException, OSError) as error:
            raise self._unreachable(error) from None

    def _read(self, response: HTTPResponse, deadline: float) -> bytes:
        """Read the body piece by piece: the socket's own timeout holds for each piece only."""
        body = bytearray()
        while piece := response.read1(1 << 16):
            body += piece
            if time.monotonic() > deadline:
                raise self._too_slow()
            if len(body) > _MOST_BYTES:
                raise self._error("sent over a megabyte; is `endpoint` an OpenAI-compatible API?")
        return bytes(body)

    def _refusal(self, error: HTTPError) -> PluginError:
        said = f"answered {error.code} {error.reason}"
        if error.code in _REFUSED:
            return self._error(f"{said}; name the environment variable that holds the key in `api_key_env`")
        if error.code in _BUSY:
            return _BusyError(f"judge {self.address}: {said}; try later, or raise `retries`")
        if 300 <= error.code < 400:
            return self._error(f"{said}; redirects are not followed, set `endpoint` to the final address")
        return self._error(f"{said}; check `endpoint`, `model` and the server's log")

    def _too_slow(self) -> PluginError:
        return self._error(
            f"did not answer within {self.timeout:g} s; raise `timeout`, or ask a faster model"
        )

    def _unreachable(self, reason: object) -> PluginError:
        return self._error(f"cannot be reached ({reason}); is the server running, and `endpoint` right?")

    def _error(self, what: str) -> PluginError:
        return PluginError(f"judge {self.address}: {what}")


def _opener() -> OpenerDirector:
    """Return a client that uses no proxy of the environment and follows no redirect."""
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return build_opener(ProxyHandler({}), NoRedirect())
