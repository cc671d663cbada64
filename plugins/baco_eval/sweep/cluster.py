"""A Ray cluster: the one that is there, or one of our own on this machine for as long as it is needed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from baco_core.errors import ConfigError

OWN = "local"
"""The address that begins a cluster on this machine."""
STORE_BYTES = 80 * 2**20
"""Near the least that Ray takes: texts are small."""
KNOCK_S = 10.0
QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes Ray listen on the loopback interface alone, as it does on systems where firewalls ask."""


def check_installed() -> None:
    """Raise ConfigError when Ray is not there."""
    if find_spec("ray") is None:
        raise ConfigError('--executor: ray is not installed; run: pip install "baco[ray]".')


@contextmanager
def cluster(address: str, cpus: int) -> Iterator[Any]:
    """Yield the module `ray`, connected. A cluster of our own has `cpus` and ends with the block.

    Any other is only left, and one that this process is in already is not even that. Nothing is reported
    to Ray's makers and no dashboard is started. Raises ConfigError naming an address that nobody answers.
    """
    check_installed()
    with _environment({**QUIET, **LOOPBACK} if address == OWN else QUIET):
        import ray

        if ray.is_initialized():
            yield ray
            return
        _connect(ray, address, cpus)
        try:
            yield ray
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str, cpus: int) -> None:
    own = {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_node_ip_address": "127.0.0.1",
    }
    if "://" in address:
        raise ConfigError(
            f"--address: {address!r} is no cluster's own address; run this on a machine of the cluster, with "
            "'auto' or HOST:PORT."
        )
    try:
        _knock(address)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            **(own if address == OWN else {}),
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        ray.shutdown()
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()).rstrip(".")
        raise ConfigError(f"--address: cannot join the Ray cluster at {address!r}: {reason}.") from error


def _knock(address: str) -> None:
    """Raise OSError when nobody listens at HOST:PORT: Ray itself would try for minutes, and tell of each."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_S).close()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
