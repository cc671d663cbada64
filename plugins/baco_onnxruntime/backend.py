"""The backend `onnxruntime`: its options, and the sessions it keeps."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated
from weakref import WeakValueDictionary

import msgspec

from baco_core.bundle import ModelFiles
from baco_core.errors import ModelError
from baco_core.options import check_ranges
from baco_onnxruntime.model import MIN_CHUNK, OnnxModel
from baco_onnxruntime.session import EXECUTION_PROVIDERS, Placement, Provider, Session

Providers = Annotated[
    tuple[Provider, ...],
    msgspec.Meta(
        description="Where to run, in order of preference; the first that starts is used.", min_length=1
    ),
]
CudaDevice = Annotated[int, msgspec.Meta(description="Number of the CUDA device.", ge=0)]
Threads = Annotated[int, msgspec.Meta(description="Threads of one pass; 0: one a physical core.", ge=0)]
Spinning = Annotated[
    bool,
    msgspec.Meta(
        description="Let idle threads spin: quicker for one model alone, slower for two on the same cores."
    ),
]
PrefillChunk = Annotated[
    int,
    msgspec.Meta(
        description="Most tokens one pass reads; fewer where their logits would take over 64 MiB.",
        ge=MIN_CHUNK,
    ),
]
Exact = Annotated[
    bool,
    msgspec.Meta(
        description="Never run a single token alone, so that rows do not depend on how reading is cut."
    ),
]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class OnnxRuntimeBackend:
    """Opens exported decoders on ONNX Runtime.

    Rows: with `exact` they are equal to the bit however reading is cut into calls, on the CPU and for
    graphs whose kernels round alike for every chunk of two tokens or more (float32 exports do; see
    docs/backend.md for what was measured). Without it they differ by up to 1e-5 of the largest logit
    in float32. CUDA picks kernels by shape, so there `exact` promises nothing.
    """

    providers: Providers = ("cpu",)
    cuda_device: CudaDevice = 0
    intra_op_threads: Threads = 0
    spinning: Spinning = False
    prefill_chunk: PrefillChunk = 256
    exact: Exact = True

    def __post_init__(self) -> None:
        if not self.providers:
            raise ValueError(f"providers is empty; name some of {list(EXECUTION_PROVIDERS)}")
        check_ranges(self)

    def load(self, files: ModelFiles) -> OnnxModel:
        """Open one model; models of the same file share one session, and so its weights.

        Raises ModelError in one line: no runtime, no such provider, a file that is no whole graph, a
        graph without KV cache or with inputs this backend cannot feed.
        """
        return OnnxModel(self._sessions.get(files.onnx), files, self.prefill_chunk, self.exact)

    @cached_property
    def _sessions(self) -> _Sessions:
        return _Sessions(self)


class _Sessions:
    """The sessions in use, by file. A session lives as long as a model of it."""

    def __init__(self, backend: OnnxRuntimeBackend) -> None:
        self._placements = [
            Placement(provider, backend.cuda_device, backend.intra_op_threads, backend.spinning)
            for provider in backend.providers
        ]
        self._open: WeakValueDictionary[Path, Session] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, path: Path) -> Session:
        """Return the session of that file, opened once."""
        key = path.resolve()
        with self._lock:
            session = self._open.get(key)
            if session is None:
                session = self._open[key] = self._first_that_starts(key)
            return session

    def _first_that_starts(self, path: Path) -> Session:
        failures: list[ModelError] = []
        for placement in self._placements[:-1]:
            try:
                return self._settled(Session(path, placement), failures)
            except ModelError as error:
                failures.append(error)
        return self._settled(Session(path, self._placements[-1]), failures)

    def _settled(self, session: Session, failures: list[ModelError]) -> Session:
        """Stay with what started, and say once what did not."""
        if failures:
            self._placements = [session.placement, *self._placements[len(failures) + 1 :]]
            _LOGGER.warning("%s Using '%s' instead.", failures[0], session.placement.provider)
        return session
