"""`baco generate`: writes text."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.cli.common import add_config, number, plugins_of, require_bundle, whole_number
from baco_core.command import Command
from baco_core.errors import ConfigError

if TYPE_CHECKING:
    from baco_core.config import Config
    from baco_core.overrides import Override
    from baco_core.pipeline import Pipeline, Prompt
    from baco_core.plugins import Plugins

SHORTHANDS = {
    "gamma": ("--gamma", ("router", "options", "gamma")),
    "temperature": ("--temperature", ("sampler", "options", "temperature")),
    "n": ("-n", ("decode", "n")),
    "max_new_tokens": ("--max-new-tokens", ("decode", "max_new_tokens")),
    "seed": ("--seed", ("decode", "seed")),
    "schedule": ("--schedule", ("decode", "schedule")),
}
"""Arguments that stand for one value of the config."""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        help="what to write about; '-' or none reads standard input, without its last line break",
    )
    parser.add_argument(
        "--messages", type=Path, metavar="FILE", help="a conversation: a JSON list of {role, content}"
    )
    add_config(parser)
    parser.add_argument("--router", metavar="NAME", help="another router, with its default options")
    parser.add_argument("--gamma", type=number, metavar="X", help="the router's gamma: where base writes")
    parser.add_argument("-n", type=whole_number, metavar="N", help="how many texts to write")
    parser.add_argument(
        "--max-new-tokens", type=whole_number, metavar="N", help="the most tokens of one text"
    )
    parser.add_argument("--seed", type=whole_number, metavar="N", help="same seed, same texts")
    parser.add_argument(
        "--temperature", type=number, metavar="T", help="the sampler's temperature; 0 is greedy"
    )
    parser.add_argument(
        "--schedule",
        choices=("auto", "plain", "lazy", "speculative"),
        help="never changes the text, only the time",
    )
    parser.add_argument(
        "--format", choices=("text", "json", "jsonl", "svg"), default="text", help="default: text"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colour texts by who wrote them"
    )
    parser.add_argument("--trace", action="store_true", help="tell on stderr who wrote each token, and why")


def _run(options: Namespace) -> int:
    from baco_core.cli.prompt import read_prompt

    prompt = read_prompt(options)
    config = configured(options)
    plugins = plugins_of(config, options)
    for name, kind in (("gamma", "router"), ("temperature", "sampler")):
        _require_option(config, plugins, kind, name, given=getattr(options, name) is not None)
    require_bundle(config, plugins)
    from baco_core.pipeline import Pipeline

    _write(Pipeline.from_config(config, plugins), config, prompt, options)
    return 0


def configured(options: Namespace) -> Config:
    """Return the config that the arguments describe: file, router, `--set`, then the shorthands."""
    from baco_core.config import load_config, overridden
    from baco_core.overrides import parse_override

    config = load_config(options.config)
    texts = [parse_override(text) for text in options.set]
    return overridden(config, [*_router(options, config), *texts, *_shorthands(options)])


def _router(options: Namespace, config: Config) -> Iterator[Override]:
    from baco_core.overrides import Override

    if options.router is not None and options.router != config.router.use:  # options belong to one router
        yield Override(f"--router {options.router}", ("router",), {"use": options.router})


def _shorthands(options: Namespace) -> Iterator[Override]:
    from baco_core.overrides import Override

    for attribute, (flag, keys) in SHORTHANDS.items():
        value = getattr(options, attribute)
        if value is not None:
            yield Override(f"{flag} {value}", keys, value)


def _require_option(config: Config, plugins: Plugins, kind: str, name: str, *, given: bool) -> None:
    """Refuse a shorthand for an option that the router or sampler does not have."""
    part = getattr(config, kind)
    registry = plugins.factories[kind]
    if not given or part.use not in registry:
        return
    allowed = registry.options(part.use)
    if name not in allowed:
        raise ConfigError(f"--{name}: {kind} {part.use!r} has no {name}. Its options: {sorted(allowed)}.")


def _write(pipeline: Pipeline, config: Config, prompt: Prompt, options: Namespace) -> None:
    from baco_core.cli.render import make_renderer

    # a trace would come in between the words of a text that streams
    renderer = make_renderer(options.format, options.color, config, sys.stdout, stream=not options.trace)
    tracer = None
    if options.trace:
        from baco_core.cli.trace import Tracer

        print(f"schedule {pipeline.plan}", file=sys.stderr)
        tracer = Tracer(pipeline.pair.vocabularies, sys.stderr)
    with renderer:
        for item in pipeline.stream(prompt, trace=options.trace):
            if tracer:
                tracer.show(item)
            renderer.show(item)


COMMAND = Command("Write text from a prompt.", _configure, _run)
