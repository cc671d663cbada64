"""Keeps a result in a file that is whole at any time."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baco_core.errors import ConfigError


def keep(result: Mapping[str, Any], path: Path, *, indent: int = 2) -> None:
    """Write the result as JSON under a name of its own, then give it its name; ConfigError when it can't."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(
            json.dumps(result, indent=indent, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
        )
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot write the file: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
