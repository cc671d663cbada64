"""API keys: who may ask. Compared in constant time, kept as digests, never logged."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from baco_core.errors import ConfigError
from baco_server.config import ServerConfig

SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Keys:
    """The digests of the keys; without any, everybody may ask."""

    digests: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, keys: Iterable[str]) -> Keys:
        """Return the digests of keys."""
        return cls(tuple(_digest(key.encode()) for key in dict.fromkeys(keys)))

    def allow(self, key: bytes | None) -> bool:
        """Say whether a key is one of ours; every key takes the same time."""
        if not self.digests:
            return True
        digest = _digest(key or b"")
        return sum(hmac.compare_digest(digest, known) for known in self.digests) > 0

    def __bool__(self) -> bool:
        """Whether a key is needed."""
        return bool(self.digests)


def load_keys(config: ServerConfig, environment: Mapping[str, str] = os.environ) -> Keys:
    """Return the keys of the file and of the environment; ConfigError for a file without any."""
    found = [key for key in re.split(r"[\s,]+", environment.get(config.api_keys_env, "")) if key]
    for key in found:
        _check(key, config.api_keys_env)
    if config.api_keys_file is not None:
        found += _in_file(Path(config.api_keys_file))
    return Keys.of(found)


def _in_file(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path}: the API keys cannot be read: {reason}.") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise ConfigError(f"{path}: there is no API key in it; write one a line.")
    for key in keys:
        _check(key, str(path))
    return keys


def _check(key: str, where: str) -> None:
    """Refuse a key that can be guessed or that no header can hold, without showing it."""
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"{where}: an API key must have {SHORTEST} or more ASCII characters and no spaces; make one with "
            "'openssl rand -hex 24'."
        )


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
