"""Keeps a result in a file that is whole at any time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baco_core.errors import ConfigError
from baco_core.replacing import replace_content


def keep(result: Mapping[str, Any], path: Path, *, indent: int = 2) -> None:
    """Write the result as JSON, whole or not at all; ConfigError when it can't be."""
    text = json.dumps(result, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        replace_content(path, text.encode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot write the file: {error.strerror}.") from error
