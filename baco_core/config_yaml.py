"""Reads YAML that may come from anywhere: plain data only, limited in size, depth and aliases."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from baco_core.errors import ConfigError

MAX_BYTES = 1_000_000
MAX_ALIASES = 32
"""Counted before anything is expanded: a few lines of nested aliases stand for billions of items."""
MAX_DEPTH = 32


class _Refused(yaml.MarkedYAMLError):
    """What YAML allows and a config does not."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(None, None, problem, mark)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses alias bombs, self-references, deep nesting and duplicate keys."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._alias_count = 0
        self._enclosing: list[str | None] = []

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        anchor = event.anchor
        if isinstance(event, yaml.AliasEvent):
            self._alias_count += 1
            if self._alias_count > MAX_ALIASES:
                raise _Refused(f"more than {MAX_ALIASES} aliases", event.start_mark)
            if anchor in self._enclosing:
                raise _Refused(f"alias {anchor!r} stands inside itself", event.start_mark)
        if len(self._enclosing) >= MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} deep", event.start_mark)
        self._enclosing.append(None if isinstance(event, yaml.AliasEvent) else anchor)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._enclosing.pop()
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else id(key_node)
            if key in seen and key != "<<":
                raise _Refused(f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file as plain data; ConfigError names file, line and column."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the file: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path}: the file is larger than {MAX_BYTES} bytes; is it a config?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: the file is not UTF-8; save it as UTF-8.") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, origin: str) -> Any:
    """Return YAML text as plain data; ConfigError names `origin`, line and column."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (_Loader is a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise ConfigError(f"{origin}:{place} {_problem(error)}.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = f"character U+{int(error.character):04X}"
        raise ConfigError(f"{origin}: line {line}: {character} is not allowed in YAML.") from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{origin}: not valid YAML: {error}.") from error


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it is not valid YAML"
    return f"{error.context}, {problem}" if problem.startswith("but ") else problem


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what YAML would otherwise fold into a space."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if any(character in text for character in "\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent_text)

for _kind in (_Loader, _Dumper):  # YAML 1.1 reads 1e-3, without a point, as text; people mean a number
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?\d[\d_]*[eE][-+]?\d+$"), list("-+0123456789")
    )


def to_yaml(data: Any) -> str:
    """Return plain data as YAML in the given order; reading it back gives equal data."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
