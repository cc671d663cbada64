"""The backend `onnxruntime`: its options, and the sessions it keeps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated
from weakref import WeakValueDictionary

import msgspec

from baco_core.bundle import ModelFiles
from baco_core.cores import available_cores
from baco_core.errors import ModelError
from baco_core.options import check_ranges
from baco_onnxruntime.adapter import read_adapter
from baco_onnxruntime.budget import MIB, Budget
from baco_onnxruntime.fused import FusedModel
from baco_onnxruntime.fused_graph import FusedGraph
from baco_onnxruntime.growing import GrowingModel
from baco_onnxruntime.model import Needs, OnnxModel
from baco_onnxruntime.rounding import MIN_CHUNK
from baco_onnxruntime.session import EXECUTION_PROVIDERS, Placement, Provider, Session

Providers = Annotated[
    tuple[Provider, ...],
    msgspec.Meta(
        description="Where to run, in order of preference; the first that starts is used.", min_length=1
    ),
]
CudaDevice = Annotated[int, msgspec.Meta(description="Number of the CUDA device.", ge=0)]
Threads = Annotated[
    int,
    msgspec.Meta(
        description="Threads of one pass; 0: one a physical core, shared out among models that run at once.",
        ge=0,
    ),
]
Spinning = Annotated[
    bool,
    msgspec.Meta(
        description="Let threads spin within a pass: a fifth quicker on idle cores, slower on busy ones."
    ),
]
PrefillChunk = Annotated[
    int,
    msgspec.Meta(
        description="Most tokens one pass reads; fewer where their logits would take over 64 MiB.",
        ge=MIN_CHUNK,
    ),
]
CacheMemory = Annotated[
    int,
    msgspec.Meta(description="Most MiB all KV caches may take together; 0: no limit.", ge=0),
]
Exact = Annotated[
    bool,
    msgspec.Meta(
        description="Take care that rows are equal to the bit however reading is cut: never run a single row."
    ),
]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class OnnxRuntimeBackend:
    """Opens exported decoders on ONNX Runtime.

    Rows: with `exact` every care is taken that they are equal to the bit however reading is cut into
    calls and in whatever company; `OnnxModel.exact` says whether that succeeds (see docs/backend.md for
    where it does). Without it they differ by up to 1e-5 of the largest logit in float32, and by more in
    4 and 8 bits.
    """

    providers: Providers = ("cpu",)
    cuda_device: CudaDevice = 0
    intra_op_threads: Threads = 0
    spinning: Spinning = True
    prefill_chunk: PrefillChunk = 256
    exact: Exact = True
    cache_memory_mib: CacheMemory = 0

    def __post_init__(self) -> None:
        if not self.providers:
            raise ValueError(f"providers is empty; name some of {list(EXECUTION_PROVIDERS)}")
        check_ranges(self)

    def load(self, files: ModelFiles) -> OnnxModel:
        """Open one model. Equal files give the same object; models of one graph share its weights.

        Of a graph and its variants with slots, the smallest is opened that reads `files.together`
        sequences in one pass, or the largest there is; on a CPU `files.batch` where texts are read singly.
        Raises ModelError in one line: no runtime, no such provider, a file that is no whole graph, a
        graph without KV cache or with inputs this backend cannot feed, an adapter of another graph.
        """
        path = self._graph(files).resolve()
        key = replace(files, onnx=path, slots=(), batch=None, together=1)
        with self._lock:
            model = self._models.get(key)
            if model is None:
                model = self._models[key] = self._open(path, files)
                model.recall()
            return model

    def _graph(self, files: ModelFiles) -> Path:
        if files.singly and files.batch and self.exact and self.providers[0] == "cpu":
            return files.batch
        return _graph_for(files, MIN_SLOTS if self.exact and not files.singly else 1)

    def memory(self) -> Mapping[str, int]:
        """Return the bytes of all KV caches in use, `cache`, and what is allowed, `cache_limit` (0: all)."""
        return {"cache": self._budget.used, "cache_limit": self._budget.limit}

    def _open(self, path: Path, files: ModelFiles) -> OnnxModel:
        session, needs = self._sessions.get(path, files.beside), Needs(self.prefill_chunk, self.exact)
        if isinstance(session.graph, FusedGraph):
            adapter = read_adapter(session, files.adapter) if files.adapter else {}
            return FusedModel(session, session.graph, files, needs, self._budget, adapter)
        if files.adapter:
            raise ModelError(f"{files.adapter}: adapters need a fused graph, which {path} is not.")
        return GrowingModel(session, session.graph, files, needs, self._budget)

    @cached_property
    def _sessions(self) -> _Sessions:
        return _Sessions(self)

    @cached_property
    def _budget(self) -> Budget:
        return Budget(self.cache_memory_mib * MIB)

    @cached_property
    def _models(self) -> WeakValueDictionary[ModelFiles, OnnxModel]:
        return WeakValueDictionary()

    @cached_property
    def _lock(self) -> threading.Lock:
        return threading.Lock()


MIN_SLOTS = 2
"""Slots to open, where there is the choice, even for one sequence a pass: such a graph can give attention
the second row that exactness needs without giving it to all layers: quicker (docs/backend.md)."""


def _graph_for(files: ModelFiles, fewest: int) -> Path:
    """Return the graph with the fewest slots that are enough, or with the most there are."""
    graphs, wanted = sorted([(1, files.onnx), *files.slots]), max(files.together, fewest)
    return next((path for slots, path in graphs if slots >= wanted), graphs[-1][1])


class _Sessions:
    """The sessions in use, by file and share of the cores. A session lives as long as a model of it."""

    def __init__(self, backend: OnnxRuntimeBackend) -> None:
        self._placements = [
            Placement(provider, backend.cuda_device, backend.intra_op_threads, backend.spinning)
            for provider in backend.providers
        ]
        self._open: WeakValueDictionary[tuple[Path, int], Session] = WeakValueDictionary()

    def get(self, path: Path, beside: int) -> Session:
        """Return the session of that file, opened once for each share of the cores."""
        session = self._open.get((path, beside))
        if session is None:
            session = self._open[path, beside] = self._first_that_starts(path, beside)
        return session

    def _first_that_starts(self, path: Path, beside: int) -> Session:
        failures: list[ModelError] = []
        for placement in self._placements[:-1]:
            try:
                return self._settled(Session(path, _shared_out(placement, beside)), placement, failures)
            except ModelError as error:
                failures.append(error)
        last = self._placements[-1]
        return self._settled(Session(path, _shared_out(last, beside)), last, failures)

    def _settled(self, session: Session, placement: Placement, failures: list[ModelError]) -> Session:
        """Stay with what started, and say once what did not."""
        if failures:
            self._placements = [placement, *self._placements[len(failures) + 1 :]]
            _LOGGER.warning("%s Using '%s' instead.", failures[0], session.placement.provider)
        return session


def _shared_out(placement: Placement, beside: int) -> Placement:
    """Return a placement with a share of the cores, unless threads were asked for.

    Models that run at the same time on all cores wait for each other: twice as slow as with half each.
    """
    if beside == 1 or placement.intra_op_threads or placement.provider != "cpu":
        return placement
    return replace(placement, intra_op_threads=max(1, available_cores() // beside))
