"""Arguments that several commands share."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.errors import BundleError, LookUpError

if TYPE_CHECKING:
    from baco_core.config import Config
    from baco_core.plugins import Plugins


def add_config(parser: ArgumentParser) -> None:
    """Add `-c CONFIG` and `--set`."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="a config file (YAML)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="set one value of the config, such as decode.n=3 (again for more)",
    )


def number(text: str) -> float:
    """Return a number given as an argument; infinity may be written `inf` or `.inf`."""
    try:
        value = float(text.replace(".inf", "inf"))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None
    if math.isnan(value):
        raise ArgumentTypeError(f"{text!r} is not a number")
    return value


def whole_number(text: str) -> int:
    """Return a whole number given as an argument."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def plugins_of(config: Config, options: Namespace) -> Plugins:
    """Load of the plugins that the config and `--plugin` name what a config can name."""
    from baco_core.plugins import CONFIGURED, load_plugins

    where = f"{config.origin}: plugins" if config.origin else "plugins"
    return load_plugins([*config.plugins, *options.plugin], only=CONFIGURED, where=where)


def require_bundle(config: Config, plugins: Plugins) -> None:
    """Say how a bundle is made that the config knows how to make."""
    if config.export is None or config.pair.bundle is None:
        return
    from baco_core.opening import locate

    try:
        locate(config.pair.bundle, plugins.bundles)
    except LookUpError:
        raise BundleError(
            f"{config.origin}: there is no bundle {config.pair.bundle!r} yet; "
            f"make it with: baco export -c {config.origin}"
        ) from None
