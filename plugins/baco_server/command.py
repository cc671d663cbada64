"""`baco serve`: an OpenAI-compatible server and a page to play with."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from baco_core.command import Command

if TYPE_CHECKING:
    from baco_core.plugins import Plugins


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="a config file, or one with 'server' and 'pairs' (default: the embedded pair)",
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="N", help="on which port (default: 8000; 0: a free one)")
    parser.add_argument("--api-key-file", metavar="FILE", help="a file with the API keys, one a line")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="set one value, such as server.texts=16 or decode.max_new_tokens=64 (again for more)",
    )
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of the config and stop")


def _run(options: Namespace) -> int:
    from baco_core.errors import ConfigError
    from baco_core.plugins import load_plugins

    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"serving needs pip install 'baco[server]' ({error}).") from error
    from baco_server.config_file import load_serve_config

    config = load_serve_config(options.config, [*options.set, *_overrides(options)])
    plugins = load_plugins([*config.plugins, *options.plugin], where=f"{config.origin}: plugins".lstrip(": "))
    if options.schema:
        return _print_schema(plugins)
    from baco_server.serving import serve

    return serve(config, plugins)


def _overrides(options: Namespace) -> list[str]:
    import json

    keys = None if options.api_key_file is None else str(Path(options.api_key_file).absolute())
    given = {"host": options.host, "port": options.port, "api_keys_file": keys}
    return [f"server.{key}={json.dumps(value)}" for key, value in given.items() if value is not None]


def _print_schema(plugins: Plugins) -> int:
    import json

    from baco_server.config_schema import serve_schema

    print(json.dumps(serve_schema(plugins), indent=2))
    return 0


COMMAND = Command("Serve pairs over HTTP, as OpenAI does, with a page to play with.", _configure, _run)
