"""Operators, filters and methods that could make much of little, measured before they do."""

from __future__ import annotations

import functools
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.tests import TESTS

from baco_core.sandbox.budget import LimitError, check_bits, check_numbers, claim, measured, tick


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, (str, list, tuple)) and isinstance(right, (str, list, tuple)):
        claim(len(left) + len(right))
    return left + right


def _multiply(left: Any, right: Any) -> Any:
    for some, times in ((left, right), (right, left)):
        if isinstance(some, (str, list, tuple)) and isinstance(times, int):
            claim(len(some) * times)
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() + right.bit_length())
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() * abs(right))
    return left**right


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        _check_percent(left, right)
    return left % right


_WIDE_PERCENT = re.compile(r"%[^a-zA-Z%]*(\*|\d{4})")
_WIDE_BRACES = re.compile(r"\{[^{}]*(:[^{}]*\d{4}|[^{}]\{)")


def _check_percent(template: str, values: Any) -> None:
    if _WIDE_PERCENT.search(template):
        raise LimitError("it formats to a width that is not plain or above 999")
    given = (
        values.values() if isinstance(values, Mapping) else values if isinstance(values, tuple) else [values]
    )
    _claim_format(template, "%", given)


def _claim_format(template: str, mark: str, values: Iterable[object]) -> None:
    longest = max((len(str(value)) for value in values), default=0)
    claim(len(template) + template.count(mark) * (longest + 999))


def join_text(parts: Iterable[object]) -> str:
    """Return the parts as one text (the operator `~`, captured blocks, the whole rendering)."""
    texts: list[str] = []
    size = 0
    for part in parts:
        texts.append(str(part))
        size += len(texts[-1])
        claim(size)
    return "".join(texts)


OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {"+": _add, "*": _multiply, "**": _power, "%": _modulo}


def _replace(text: Any, old: Any, new: Any, count: int | None = None) -> str:
    whole, before, after = str(text), str(old), str(new)
    claim(len(whole) + whole.count(before) * len(after))
    return whole.replace(before, after, -1 if count is None else count)


def _join(items: Iterable[object], between: Any = "") -> str:
    texts = [str(item) for item in measured(list(items))]
    claim(sum(map(len, texts)) + len(texts) * len(str(between)))
    return str(between).join(texts)


@pass_context
def _join_filter(context: Context, items: Any, between: Any = "", attribute: str | int | None = None) -> str:
    if attribute is not None:
        items = context.environment.filters["map"](context, items, attribute=attribute)
    return _join(items, between)


def _indent(text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    whole = str(text)
    margin = len(width) if isinstance(width, str) else width
    claim(len(whole) + margin * (whole.count("\n") + 1))
    return str(FILTERS["indent"](whole, width, first, blank))


def _format(template: Any, *values: Any, **named: Any) -> str:
    _check_percent(str(template), named or values)
    return str(str(template) % (named or values))


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return JSON as transformers writes it: no HTML escapes."""
    if isinstance(indent, int) and indent > 99:
        raise LimitError("it indents JSON by more than 99")
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _escape(text: Any) -> str:
    return html.escape(str(text)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


_KEPT = (
    *(
        "abs",
        "batch",
        "capitalize",
        "center",
        "count",
        "d",
        "default",
        "dictsort",
        "first",
        "float",
        "groupby",
    ),
    *("int", "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
    *("reverse", "round", "select", "selectattr", "slice", "sort", "string", "sum", "title", "trim"),
    *("truncate", "unique", "upper", "urlencode", "wordcount"),
)
"""Jinja's filters that are kept. Left out: what draws lots, reaches attributes, or makes HTML."""

_OWN: Mapping[str, Callable[..., Any]] = {
    "e": _escape,
    "escape": _escape,
    "format": _format,
    "indent": _indent,
    "join": _join_filter,
    "replace": _replace,
    "safe": str,
    "tojson": _to_json,
}


def guarded_filters() -> dict[str, Any]:
    """Return the filters a template may use, by name."""
    kept: dict[str, Callable[..., Any]] = {name: FILTERS[name] for name in _KEPT}
    return {name: _guarded(function) for name, function in {**kept, **_OWN}.items()}


def guarded_tests() -> dict[str, Any]:
    """Return the tests a template may use, by name."""
    tests: Mapping[str, Any] = TESTS
    return {name: _guarded(function) for name, function in tests.items()}


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter or test that looks at the time and measures what it returns."""
    ahead = 2 if hasattr(function, "jinja_pass_arg") else 1

    @functools.wraps(function)
    def guarded(*args: Any, **named: Any) -> Any:
        check_numbers([*args[ahead:], *named.values()])
        return measured(function(*args, **named))

    return guarded


def call_method(owner: str, method: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Call a method of a text."""
    check_numbers([*args, *named.values()])
    name = method.__name__
    if name == "join" and len(args) == 1:
        return _join(args[0], owner)
    if name == "replace" and len(args) in (2, 3) and not named:
        return _replace(owner, *args)
    tick()
    return method(*args, **named)


def check_braces(template: str, args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise LimitError when `template.format(...)` would be too large."""
    if _WIDE_BRACES.search(template):
        raise LimitError("it formats to a width that is not plain or above 999")
    given = [*args, *named.values()]
    inner = [value for mapping in given if isinstance(mapping, Mapping) for value in mapping.values()]
    _claim_format(template, "{", [*given, *inner])
