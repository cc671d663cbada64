"""/docs: the OpenAPI document as a page of our own, without scripts and without any other host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

routes = APIRouter(include_in_schema=False)
Schema = dict[str, Any]

STYLE = """:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; }
td, th { border-bottom: 1px solid #8886; }
code { font-family: ui-monospace, monospace; }
"""


@routes.get("/docs")
async def docs(request: Request) -> Response:
    """Show the document."""
    return HTMLResponse("".join(_page(request.app.openapi())))


@routes.get("/docs.css")
async def style() -> Response:
    """Style it."""
    return Response(STYLE, media_type="text/css")


def _page(document: Schema) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>BACo API</title>'
    yield '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="docs.css">'
    yield "</head><body>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield from (f"<p>{_marked(text)}</p>" for text in info["description"].strip().split("\n\n"))
    yield '<p>The same for machines: <a href="openapi.json">openapi.json</a>.</p>'
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method, operation)
    yield "<h2>Shapes</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield from _shape(name, schema)
    yield "</body></html>"


def _operation(path: str, method: str, operation: Schema) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield f"<p>{_marked(operation.get('description', ''))}</p>"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        yield f"<p>Asks {_kind(body)}.</p>"
    yield "<table><tr><th>Status</th><th>Answer</th></tr>"
    for code, answer in operation["responses"].items():
        kinds = ", ".join(f"{escape(name)} {_kind(content['schema'])}" for name, content in _contents(answer))
        yield f"<tr><td>{escape(code)}</td><td>{_marked(answer.get('description', ''))} {kinds}</td></tr>"
    yield "</table>"


def _contents(answer: Schema) -> list[tuple[str, Schema]]:
    return [(name, content) for name, content in answer.get("content", {}).items() if "schema" in content]


def _shape(name: str, schema: Schema) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{_marked(schema.get("description", ""))}</p>'
    if "properties" not in schema:
        return
    yield "<table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>"
    for field, inner in schema["properties"].items():
        needed = " (needed)" if field in schema.get("required", []) else ""
        cells = f"<code>{escape(field)}</code>{needed}", _kind(inner), _marked(inner.get("description", ""))
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _kind(schema: Schema) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return escape(str(schema.get("type", "anything"))) + _range(schema)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return (f" from {low}" if low is not None else "") + (f" to {high}" if high is not None else "")


def _marked(text: str) -> str:
    """Return text with `code` and *emphasis* as HTML."""
    for mark, tag in (("`", "code"), ("*", "em")):
        parts = (escape(text) if mark == "`" else text).split(mark)
        text = "".join(f"<{tag}>{part}</{tag}>" if i % 2 else part for i, part in enumerate(parts))
    return text
