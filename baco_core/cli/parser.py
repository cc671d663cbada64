"""Reads the arguments: which command, with what."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from baco_core import __version__
from baco_core.command import Command
from baco_core.errors import BacoError, ConfigError, LookUpError, PluginError

CORE = ("bench", "config", "doctor", "generate", "plugins")
"""Commands of the core, one module each; plugins add more."""

EPILOG = "Run 'baco COMMAND --help' for a command. Documentation of config files: 'baco config schema'."


class Parser(ArgumentParser):
    """An argument parser whose mistakes are errors like all others, on one line."""

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError."""
        raise ConfigError(f"{message.rstrip('.')}. See '{self.prog} --help'.")


def parse(arguments: Sequence[str]) -> Namespace | int:
    """Return the parsed arguments with the command's `run`, or the exit code where argparse is done.

    Raises ConfigError for wrong arguments and LookUpError for an unknown command.
    """
    named, rest = _split(arguments)
    name = rest[0] if rest and not rest[0].startswith("-") else ""
    failures: list[BacoError] = []
    commands = {name: _core(name)} if name in CORE else _all_commands(named, failures)
    if name and name not in commands:
        raise _unknown(name, commands, failures)
    parser = _parser(commands)
    if failures:
        parser.epilog = f"{EPILOG}\nNot loaded: {'; '.join(map(str, failures))}"
    try:
        options = parser.parse_args(rest)
    except SystemExit as finished:  # --help, --version
        return int(finished.code or 0)
    options.plugin = named
    return options


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the plugins named by --plugin, wherever it stands, and the arguments without --debug and it.

    Plugins add commands, so they must be known before the arguments can be understood.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    early = Parser(prog="baco", add_help=False, allow_abbrev=False)
    _add_common(early)
    known, rest = early.parse_known_args(arguments[:end])
    return known.plugin, [*rest, *arguments[end:]]


def _core(name: str) -> Command:
    command: Command = import_module(f"baco_core.cli.{name}_command").COMMAND
    return command


def _all_commands(named: Sequence[str], failures: list[BacoError]) -> dict[str, Command]:
    """Return the core's and the plugins' commands; plugins that fail are left out and noted."""
    from baco_core.plugins import Plugins, load_plugins
    from baco_core.registry import Owner

    plugins = Plugins()
    for name in CORE:
        plugins.commands.add(name, _core(name), Owner("core", "baco", __version__))
    load_plugins(named, only=("commands",), failures=failures, where="--plugin", into=plugins)
    return {entry.name: entry.value for entry in plugins.commands.entries()}


def _unknown(name: str, commands: Mapping[str, Command], failures: Sequence[BacoError]) -> LookUpError:
    error = LookUpError.unknown("command", name, commands)
    if not failures:
        return error
    return LookUpError(f"{error} Not loaded: {'; '.join(map(str, failures))}")


def _parser(commands: Mapping[str, Command]) -> Parser:
    parser = Parser(
        prog="baco",
        description="One text from two language models: base and aligned, routed token by token.",
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"baco {__version__}")
    _add_common(parser)
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name, command in sorted(commands.items()):
        sub = choices.add_parser(name, help=command.help, description=command.help, allow_abbrev=False)
        _configure(sub, name, command)
    return parser


def _configure(parser: ArgumentParser, name: str, command: Command) -> None:
    parser.set_defaults(run=command.run)
    try:
        command.configure(parser)
    except (ArgumentError, TypeError, ValueError) as error:
        raise PluginError(f"The arguments of command {name!r} cannot be set up: {error}.") from error


def _add_common(parser: ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    parser.add_argument(
        "--plugin",
        action="append",
        metavar="NAME",
        default=[],
        help="load one more installed plugin (again for more), as 'plugins:' in a config does",
    )
