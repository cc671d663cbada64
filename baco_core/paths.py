"""Where BACo keeps what it fetched or exported."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "BACO_CACHE"


def cache_folder() -> Path:
    """Return the cache folder: $BACO_CACHE where it is set, else the system's place for caches.

    The folder may not exist yet.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("baco"))


def bundles_folder() -> Path:
    """Return the folder of exported bundles; a bundle's name is the name of its folder in there."""
    return cache_folder() / "bundles"
