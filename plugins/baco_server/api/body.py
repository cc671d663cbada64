"""Reads the body of a request: bounded in bytes and time, then checked field by field."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.requests import Request

from baco_core.errors import did_you_mean
from baco_server.api.errors import ApiError, refused
from baco_server.api.fields import BacoField, StreamOptions, Strict
from baco_server.api.state import state_of

T = TypeVar("T", bound=Strict)
MOST_KEYS = 10_000
PATIENCE = 4
"""Of a body that is too long, so many times the limit is read and dropped, that the answer be heard."""


async def read(request: Request, model: type[T]) -> T:
    """Return the fields of a request, within the server's limits; ApiError says what is wrong with it."""
    server = state_of(request).server
    return parse(await read_body(request, server.max_body, server.read_seconds), model)


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """Return the body; ApiError 413 for more than `most` bytes, 408 where it does not come in time."""
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, most)
    except TimeoutError:
        raise ApiError(
            408, f"the request did not arrive within {seconds:g} seconds; send it again."
        ) from None


async def _read(request: Request, most: int) -> bytes:
    kept, length = bytearray(), 0
    if _stated(request) > PATIENCE * most:
        raise _too_long(most)
    async for chunk in request.stream():
        length += len(chunk)
        if length > PATIENCE * most:
            break
        if length <= most:
            kept += chunk
    if length > most:
        raise _too_long(most)
    return bytes(kept)


def _stated(request: Request) -> int:
    stated = request.headers.get("content-length", "0")
    return int(stated) if stated.isdecimal() else 0


def _too_long(most: int) -> ApiError:
    return ApiError(413, f"the body is longer than {most} bytes, the most this server takes.")


def parse(body: bytes, model: type[T]) -> T:
    """Return the fields of a request; ApiError 400 names the first that is wrong."""
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise refused(f"the body is no JSON: {error}.", code="invalid_json") from None
    _check_keys(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
    raise _complaint(details, data, model)


def _check_keys(data: Any) -> None:
    """Refuse objects of so many keys that naming what is wrong with each would take seconds."""
    nested = [data] if isinstance(data, (dict, list)) else []
    while nested:
        item = nested.pop()
        if isinstance(item, dict) and len(item) > MOST_KEYS:
            raise refused(f"the body holds an object of more than {MOST_KEYS} keys; send fewer.")
        inner = item.values() if isinstance(item, dict) else item
        nested.extend(value for value in inner if isinstance(value, (dict, list)))


def _complaint(details: Sequence[ErrorDetails], data: Any, model: type[Strict]) -> ApiError:
    """Return the error for the field that is most deeply nested: of a choice of types, the nearest one."""
    long = [detail for detail in details if detail["type"] == "too_long"]  # whatever else it might have been
    placed = [(_place(detail, data), detail) for detail in long or details]
    depth = max(len(place) for place, _ in placed)
    place, first = next((place, detail) for place, detail in placed if len(place) == depth)
    param = _joined(place)
    if first["type"] == "extra_forbidden":
        return refused(_unknown(place, model), param, "unknown_parameter")
    if first["type"] == "none_required":
        return refused(
            f"{param}: this cannot be had here; leave it out.", param, code="unsupported_parameter"
        )
    if first["type"] == "model_type":
        return refused(f"{param or 'the body'}: input should be an object.", param or None, "invalid_value")
    texts = dict.fromkeys(detail["msg"] for other, detail in placed if other == place)
    code = "missing_parameter" if first["type"] == "missing" else "invalid_value"
    where = param or "the body"
    return refused(f"{where}: {'; or: '.join(_lower(text) for text in texts)}.", param or None, code)


def _place(detail: ErrorDetails, data: Any) -> tuple[str | int, ...]:
    """Return where in the body an error is, without the names of the types that were tried."""
    place: list[str | int] = []
    missing = detail["loc"][-1] if detail["type"] == "missing" else None
    for key in detail["loc"]:
        if isinstance(data, dict) and isinstance(key, str) and (key in data or key == missing):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            data = data[key]
        else:
            continue
        place.append(key)
    return tuple(place)


def _joined(place: Sequence[str | int]) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".")[:200]


def _unknown(place: Sequence[str | int], model: type[Strict]) -> str:
    owners: dict[tuple[str | int, ...], type[Strict]] = {
        (): model,
        ("baco",): BacoField,
        ("stream_options",): StreamOptions,
    }
    owner = owners.get(tuple(place[:-1]))
    name = str(place[-1])[:80]
    allowed = list(owner.model_fields) if owner else []
    hint = did_you_mean(name, allowed, "Fields").partition(" Fields:")[0] if allowed else ""
    return f"{_joined(place)}: unknown field.{hint}" + (f" Fields: {', '.join(allowed)}." if allowed else "")


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")[:300]
