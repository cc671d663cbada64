"""The OpenAPI document: what FastAPI finds, and the bodies that we read ourselves."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from baco_core import __version__
from baco_server.api.fields_chat import ChatRequest
from baco_server.api.fields_completions import CompletionRequest

REF = "#/components/schemas/{model}"
ABOUT = """Texts that two language models write together: a diverse base model and its aligned counterpart.

The routes under `/v1` are OpenAI's, so that any client of theirs can ask. What only BACo has stands in the
field `baco` of requests and answers. A field that is not listed is refused by name; fields whose
description begins with *Ignored* are taken and change nothing; those *not to be had here* may only be null.
"""


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document; made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title="BACo", version=__version__, description=ABOUT, routes=app.routes, openapi_version="3.1.0"
        )
        requests = [(ChatRequest, "validation"), (CompletionRequest, "validation")]
        _, definitions = models_json_schema(requests, ref_template=REF)  # type: ignore[arg-type]
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(definitions["$defs"])
        for unused in ("HTTPValidationError", "ValidationError"):  # 422 is answered as 400, in OpenAI's shape
            schemas.pop(unused, None)
        for operations in found["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
        app.openapi_schema = found
    return app.openapi_schema
