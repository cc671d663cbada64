"""The Jinja environment, and the code generator whose Python keeps an eye on itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from jinja2 import nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext, Macro, TemplateReference
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from baco_core.sandbox.budget import measured, tick
from baco_core.sandbox.operations import (
    OPERATORS,
    call_method,
    check_braces,
    guarded_filters,
    guarded_tests,
    join_text,
)


class RaisedError(Exception):
    """A template called `raise_exception`."""


class _Generator(CodeGenerator):
    """Writes Python that keeps looking at the time and measures the values it makes."""

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        self.writeline("environment.tick()")
        super().blockvisit(nodes, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.join_text((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._call("environment.measured(", super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._call("environment.measured(", super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._call("environment.measured(", super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self._call("(environment.tick() or ", super().visit_Compare, node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        self._call("(environment.tick() or ", super().visit_Getitem, node, frame)

    def _call(self, start: str, visit: Callable[[Any, Frame], None], node: nodes.Node, frame: Frame) -> None:
        self.write(start)
        visit(node, frame)
        self.write(")")

    def _refuse(self, node: nodes.Node, frame: Frame) -> NoReturn:
        self.fail(f"{type(node).__name__.lower()} is not supported in chat templates", node.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _refuse  # noqa: N815
    visit_EvalContextModifier = visit_ScopedEvalContextModifier = _refuse  # noqa: N815


class _Generation(Extension):
    """The tag `generation` marks what an assistant wrote, for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012  (declared so by Jinja)

    def parse(self, parser: Parser) -> nodes.Node:
        """Read the block and return its body."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _OpaqueNamespace(Namespace):
    """A namespace prints as itself: its values may be other namespaces, over and over."""

    def __repr__(self) -> str:
        return "<namespace>"


_TEXT_METHODS = frozenset(
    {
        *("capitalize", "casefold", "center", "count", "endswith", "find", "format", "format_map", "index"),
        *("isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace"),
        *("istitle", "isupper", "join", "ljust", "lower", "lstrip", "partition", "removeprefix"),
        *("removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split"),
        *("splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill"),
    }
)
_METHODS: Sequence[tuple[type, frozenset[str]]] = (
    (str, _TEXT_METHODS),
    (Mapping, frozenset({"get", "items", "keys", "values"})),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index"})),
)
_OPEN = (LoopContext, Namespace, Macro, Cycler, Joiner, TemplateReference, BlockReference)
"""Jinja's own helpers: their public attributes are safe."""


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment chat templates run in; render inside `limited`."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    concat = staticmethod(join_text)
    join_text = staticmethod(join_text)
    measured = staticmethod(measured)
    tick = staticmethod(tick)

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], optimized=False
        )
        self.filters = guarded_filters()
        self.tests = guarded_tests()
        self.binop_table |= OPERATORS
        self.globals.pop("lipsum")
        self.globals |= {"namespace": _OpaqueNamespace, "raise_exception": _raise}
        self.finalize = _finalize

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute and measure."""
        return measured(self.binop_table[operator](left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **named: Any) -> Any:
        """Call and measure; methods of texts are looked at first."""
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            return measured(call_method(owner, obj, args, named))
        return measured(super().call(context, obj, *args, **named))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Say whether a template may use an attribute: the allow-list."""
        if attr.startswith("_"):
            return False
        for kind, methods in _METHODS:
            if isinstance(obj, kind):
                return attr in methods
        return isinstance(obj, _OPEN)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Return `str.format`, sandboxed by Jinja and measured, where `value` is that."""
        formatted = super().wrap_str_format(value)
        if formatted is None:
            return None
        template: str = value.__self__

        def checked(*args: Any, **named: Any) -> str:
            check_braces(template, args, named)
            return formatted(*args, **named)

        return checked


def _raise(message: object = "") -> NoReturn:
    raise RaisedError(str(message))


@pass_context  # which also keeps Jinja from computing outputs while it compiles
def _finalize(context: Context, value: Any) -> Any:
    tick()
    return value
