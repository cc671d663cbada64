"""How much memory the KV caches of a backend may take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakMethod, WeakSet

from baco_core.errors import ModelError

MIB = 2**20


@dataclass(eq=False)
class Lease:
    """Memory that counts for as long as this object lives: what uses the memory holds it."""

    bytes: int


@dataclass(eq=False)
class Budget:
    """A sum of leases that may not pass `limit` bytes; no limit when 0."""

    limit: int = 0
    _leases: WeakSet[Lease] = field(default_factory=WeakSet)
    _reclaim: list[WeakMethod[Callable[[], None]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def used(self) -> int:
        """Bytes that are leased."""
        with self._lock:
            return sum(lease.bytes for lease in self._leases)

    def on_shortage(self, reclaim: Callable[[], None]) -> None:
        """Call the bound method `reclaim`, while its object lives, before anything is refused."""
        self._reclaim = [kept for kept in self._reclaim if kept() is not None] + [WeakMethod(reclaim)]

    def lease(self, size: int) -> Lease:
        """Return a lease of `size` bytes; ModelError when they exceed the limit."""
        self.require(size)
        with self._lock:
            lease = Lease(size)
            self._leases.add(lease)
            return lease

    def require(self, size: int) -> None:
        """Raise ModelError, in one line, when `size` more bytes would exceed the limit."""
        if not self.limit or self.used + size <= self.limit:
            return
        for reclaim in [found for kept in self._reclaim if (found := kept())]:
            reclaim()
        if self.used + size > self.limit:
            raise ModelError(
                f"the KV cache would need {_mib(size)} more beside {_mib(self.used)} in use, but the "
                f"backend's option cache_memory_mib allows {_mib(self.limit)}; raise it, shorten the prompt, "
                "or write fewer tokens or samples at once."
            )


def _mib(size: int) -> str:
    return f"{size / MIB:.4g} MiB"
