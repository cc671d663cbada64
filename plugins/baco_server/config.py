"""The config of a server: frozen values made from YAML, one section for the server, one config a pair.

A file is either an ordinary config (one pair, named after its bundle), or `server: {...}` and
`pairs: {NAME: {the keys of an ordinary config}}`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from baco_core.config import Config
from baco_core.options import check_ranges

DAY = 86_400.0


def _about(description: str, **limits: Any) -> msgspec.Meta:
    return msgspec.Meta(description=description, **limits)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How requests come in, and how much of them is taken on."""

    host: Annotated[str, _about("The address to listen on; 0.0.0.0 is every one.", min_length=1)] = (
        "127.0.0.1"
    )
    port: Annotated[int, _about("The port; 0 takes a free one.", ge=0, le=65535)] = 8000
    api_keys_file: Annotated[
        str | None,
        _about("A file with one API key a line; blank lines and lines that begin with # do not count."),
    ] = None
    api_keys_env: Annotated[
        str,
        _about(
            "The environment variable that may hold API keys, with spaces or commas between.", min_length=1
        ),
    ] = "BACO_API_KEYS"
    cors_origins: Annotated[
        tuple[str, ...], _about("Origins whose pages may ask, such as https://example.org; none by default.")
    ] = ()
    texts: Annotated[int, _about("Texts that a pair writes at the same time.", ge=1, le=1024)] = 8
    queue: Annotated[int, _about("Requests that wait for a pair; one more is refused (429).", ge=1)] = 256
    context_tokens: Annotated[
        int,
        _about("Tokens of contexts that a pair keeps for requests that begin alike; 0 keeps none.", ge=0),
    ] = 8192
    max_body: Annotated[int, _about("The most bytes of a request's body.", ge=1024)] = 4 * 2**20
    max_new_tokens: Annotated[int, _about("The most tokens a request may ask for in one text.", ge=1)] = 4096
    max_n: Annotated[int, _about("The most texts a request may ask for.", ge=1, le=4096)] = 128
    request_seconds: Annotated[
        float, _about("The longest a request may take; then its texts end as they are.", gt=0, le=DAY)
    ] = 600.0
    read_seconds: Annotated[
        float, _about("The longest a client may take to send its request.", gt=0, le=DAY)
    ] = 30.0
    stall_seconds: Annotated[
        float, _about("After how long a client that reads nothing of its answer is dropped.", gt=0, le=DAY)
    ] = 60.0
    stream_buffer: Annotated[
        int, _about("Tokens that wait for a slow reader of a stream; one more ends its request.", ge=1)
    ] = 8192
    keep_alive: Annotated[
        float,
        _about(
            "Seconds of silence after which a stream gets a comment, so that nobody hangs up.", gt=0, le=DAY
        ),
    ] = 10.0
    drain: Annotated[
        float,
        _about(
            "Seconds a shutdown gives to requests in hand; then their texts end as they are.", ge=0, le=DAY
        ),
    ] = 30.0
    connections: Annotated[int, _about("The most connections; one more is refused (503).", ge=1)] = 1024
    closed_routers: Annotated[
        tuple[str, ...],
        _about(
            "Routers that a request may neither name nor set options of, such as those that ask another "
            "host. A pair's own router works as its config says."
        ),
    ] = ("judge",)
    page: Annotated[bool, _about("Show the page to play with at /.")] = True
    log_format: Annotated[Literal["json", "text"], _about("How log lines on stderr look.")] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("The least that is logged.")
    ] = "info"
    log_prompts: Annotated[
        bool, _about("Log what was asked and written; off, no log line holds any of it.")
    ] = False
    opentelemetry: Annotated[
        bool, _about("Send traces and metrics as the OTEL_* variables of the environment say (extra 'otel').")
    ] = False

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """All of a server."""

    pairs: Annotated[dict[str, Config], _about("A config for each pair, by the name that requests call it.")]
    server: Annotated[ServerConfig, _about("How requests come in.")] = field(default_factory=ServerConfig)
    origin: str = field(default="", compare=False, repr=False)
    """The file it was read from."""

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that the pairs name, each once."""
        return tuple(dict.fromkeys(name for config in self.pairs.values() for name in config.plugins))
