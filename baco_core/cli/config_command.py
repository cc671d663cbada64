"""`baco config`: show, validate, schema."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.cli.common import add_config, plugins_of
from baco_core.command import Command

if TYPE_CHECKING:
    from baco_core.config import Config
    from baco_core.plugins import Plugins


def _configure(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    show = actions.add_parser("show", help="print a config as YAML, with every default filled in")
    add_config(show)
    show.set_defaults(run=_show)
    validate = actions.add_parser("validate", help="check configs, including the options of their parts")
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    validate.set_defaults(run=_validate)
    schema = actions.add_parser("schema", help="print the JSON schema of a config")
    add_config(schema)
    schema.set_defaults(run=_schema)


def _show(options: Namespace) -> int:
    from baco_core.config_yaml import to_yaml

    config, plugins = _load(options)
    check(config, plugins)
    sys.stdout.write(to_yaml(filled(config, plugins)))
    return 0


def _validate(options: Namespace) -> int:
    from baco_core.config import load_config

    for path in options.files:
        config = load_config(path)
        check(config, plugins_of(config, options))
        print(f"{path}: fine")
    return 0


def _schema(options: Namespace) -> int:
    from baco_core.schema import config_schema

    print(json.dumps(config_schema(_load(options)[1]), indent=2, ensure_ascii=False, allow_nan=False))
    return 0


def _load(options: Namespace) -> tuple[Config, Plugins]:
    from baco_core.config import load_config

    config = load_config(options.config, options.set)
    return config, plugins_of(config, options)


def check(config: Config, plugins: Plugins) -> None:
    """Build router, sampler and backend, without any model; raises the BacoError of what is wrong."""
    plugins.routers.build(config.router, "router")
    plugins.samplers.build(config.sampler, "sampler")
    plugins.backends.build(config.backend, "backend")


def filled(config: Config, plugins: Plugins) -> dict[str, Any]:
    """Return the config as plain data with the defaults of its parts' options filled in."""
    from baco_core.config import config_data
    from baco_core.defaults import filled_part

    data = config_data(config)
    for kind, registry in plugins.factories.items():
        data[kind] = filled_part(data[kind], registry, plugins.parts())
    return data


COMMAND = Command("Show, check or describe configs.", _configure, lambda _: 2)
