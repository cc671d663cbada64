"""What a command of the command line is."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand. `configure` adds its arguments and must not import anything heavy.

    `run` gets the parsed arguments and returns the exit code; it raises BacoError for a user's
    mistake. Results go to stdout, everything else to stderr.
    """

    help: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
