"""Templates that want too much, that try to get out, and that fail."""

from __future__ import annotations


def repeated(start: str, step: str) -> str:
    """Return a template that sets x to `start` and then 99 times to `step`, and prints it."""
    loop = "{% for i in range(99) %}" + step + "{% endfor %}"
    return "{% set ns = namespace(x=" + start + ") %}" + loop + "{{ ns.x }}"


def assigned(expression: str) -> str:
    """Return the step that sets x to an expression."""
    return "{% set ns.x = " + expression + " %}"


NEVER_ENDS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "loops in conditions": "{% for a in range(999) if range(9999)|select('in', [1] * 99)|list %}{% endfor %}",
    "branching macros": "{% macro f(n) %}{% if n %}{{ f(n-1) ~ f(n-1) }}{% endif %}{% endmacro %}{{ f(99) }}",
    "comparisons": "{% set a = ['x' * 999] * 999 %}{% for i in range(99999) %}{{ 'y' in a }}{% endfor %}" * 9,
    "many comparisons": "{% set a = 'x' * 999999 %}" + "{{ a ~ 'z' in a }}" * 9999,
}
GROWS = {
    "repetition": "{{ 'a' * 10**9 }}",
    "repetition, turned": "{{ 10**9 * 'a' }}",
    "lists": "{{ [1] * 10**9 }}",
    "long texts in lists": "{{ [['x' * 999] * 999] * 9999 }}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "numbers": repeated("3", assigned("ns.x * ns.x")),
    "shared lists": repeated("1", assigned("[ns.x, ns.x]")),
    "shared tuples": repeated("1", assigned("(ns.x, ns.x)")),
    "shared mappings": repeated("1", assigned("{1: ns.x, 2: ns.x}")),
    "shared mappings by call": repeated("1", assigned("dict(a=ns.x, b=ns.x)")),
    "shared views": repeated("1", assigned("{1: ns.x, 2: ns.x}.values()")),
    "shared defaults": repeated("1", assigned("[1, 1]|map(attribute='q', default=ns.x)|list")),
    "doubled by ~": repeated("'abc'", assigned("ns.x ~ ns.x")),
    "doubled by +": repeated("'abc'", assigned("ns.x + ns.x")),
    "doubled by set": repeated("'abc'", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
    "doubled by a macro": "{% macro d(x) %}{{ x }}{{ x }}{% endmacro %}"
    + repeated("'abc'", assigned("d(ns.x)")),
    "output": "{% for i in range(99999) %}" + "x" * 1000 + "{% endfor %}",
    "center": "{{ 'a'|center(10**9) }}",
    "center, method": "{{ 'a'.center(10**9) }}",
    "ljust": "{{ 'a'.ljust(10**9) }}",
    "zfill": "{{ 'a'.zfill(10**9) }}",
    "indent": "{{ ('a\\n' * 9999)|indent(99999) }}",
    "replace": "{{ ('a' * 99999).replace('', 'b' * 99999) }}",
    "replace filter": "{{ ('a' * 99999)|replace('a', 'b' * 99999) }}",
    "join": "{{ ('a' * 99999).join('b' * 99999) }}",
    "join filter": "{{ range(99999)|join('a' * 99999) }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "percent star": "{{ '%*d' % (10**9, 1) }}",
    "percent many": "{{ ('%(a)s' * 9999) % {'a': 'b' * 99999} }}",
    "format": "{{ '{:1000000000}'.format(1) }}",
    "format nested": "{{ '{:{w}}'.format(1, w=10**9) }}",
    "format many": "{{ ('{0}' * 9999).format('b' * 99999) }}",
    "format_map": "{{ ('{a}' * 9999).format_map({'a': 'b' * 99999}) }}",
    "format filter": "{{ '%1000000000d'|format(1) }}",
    "batch": "{{ [1]|batch(10**9, 'x')|list }}",
    "slice": "{{ [1]|slice(10**9)|list }}",
    "json": "{{ [1]|tojson(indent=10**9) }}",
    "round": "{{ 1.5|round(10**9, 'ceil') }}",
}
GETS_OUT = {
    "class": "{{ ''.__class__.__mro__ }}",
    "class by item": "{{ ''['__class__']['__mro__'] }}",
    "class by filter": "{{ ''|attr('__class__') }}",
    "class by map": "{{ ['']|map(attribute='__class__.__mro__')|list|first + 1 }}",
    "class by format": "{{ '{0.__class__.__mro__}'.format('') }}",
    "globals": "{{ raise_exception.__globals__.os }}",
    "code": "{{ namespace.__init__.__globals__ }}",
    "self": "{{ self.__init__.__globals__['os'] }}",
    "environment": "{{ self._TemplateReference__context.environment }}",
    "change messages": "{{ messages.append(1) }}",
    "change a message": "{{ messages[0].update({'role': 'system'}) }}",
    "bytes": "{{ (1).to_bytes(10**9, 'little') }}",
    "include": "{% include 'secrets.txt' %}",
    "include, forgiving": "{% include 'secrets.txt' ignore missing %}",
    "import": "{% import 'secrets.txt' as secrets %}",
    "from import": "{% from 'secrets.txt' import all %}",
    "extends": "{% extends 'secrets.txt' %}",
    "autoescape": "{% autoescape true %}{{ 1 }}{% endautoescape %}",
    "random": "{{ [1, 2]|random }}",
    "lipsum": "{{ lipsum(n=10**9) }}",
}
FAILS = {
    "syntax": "{% if %}",
    "no end": "{% for m in messages %}",
    "unknown tag": "{% frobnicate %}",
    "unknown filter": "{{ 1|frobnicate }}",
    "missing variable": "{{ system.content }}",
    "missing field": "{{ messages[0].content.text.value }}",
    "wrong types": "{{ 'a' + 1 }}",
    "zero": "{{ 1 / 0 }}",
    "range": "{{ range(10**9)|list }}",
    "endless macro": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "endless loop call": "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep conditions": "{{ " + "not " * 9999 + "1 }}",
    "deep blocks": "{% for a in [1] %}" * 50 + "{% endfor %}" * 50,
    "too long": " " * 200_001,
}
