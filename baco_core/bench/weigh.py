"""Where the memory of a process goes that opens a pair and writes a text: by part and by mapped file."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baco_core.bench.figures import NotMeasured
from baco_core.bench.memory import Resident, resident, resident_by_mapping
from baco_core.bundle import ModelFiles
from baco_core.config import Config
from baco_core.errors import ModelError
from baco_core.events import Sample, TokenEvent
from baco_core.model import Backend, Model
from baco_core.opening import open_pair, references_of
from baco_core.pair import Pair
from baco_core.pipeline import Pipeline, Prompt
from baco_core.plugins import Plugins
from baco_core.source import Source
from baco_core.where import Where

PROMPT = "Tell me a story about a lighthouse."
TOKENS = 32
"""Tokens written before the cache is weighed."""
LIBRARIES = "interpreter and libraries"
TOKENIZERS = "tokenizers and vocabularies"
CACHE = "cache and working memory"


@dataclass(frozen=True, slots=True)
class PartMemory:
    """What one part of the process holds in memory."""

    name: str
    rss: int
    mapped: int
    """Of these bytes, those that are pages of files: the system can drop them, and share them."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Weight:
    """The memory of a process with a pair: by part, by mapped file, and as its models tell it."""

    total: Resident
    parts: tuple[PartMemory, ...]
    files: Mapping[str, Resident]
    """Of the bundles' files, what of them is mapped and resident; empty when they are not mapped."""
    models: Mapping[str, Mapping[str, int] | NotMeasured]
    """Bytes by part, as each model tells."""
    tokens: int
    """Tokens in both models' caches, prompts and text, when they were weighed."""


@dataclass(frozen=True, slots=True)
class _Load:
    """A model that was opened by itself, and the bytes it took beside mapped files."""

    files: ModelFiles
    model: Model
    taken: int


def weigh(config: Config, plugins: Plugins, prompt: Prompt = PROMPT) -> Weight:
    """Open the config's pair, write `TOKENS` tokens, and say where the memory went.

    Raises ModelError where memory cannot be told, and whatever opening and decoding raise.
    """
    _total()
    plugins.report_health(lambda what, text, fine: None)  # imports the runtime, which is no model's weight
    start = _anonymous()
    backend = plugins.backends.build(config.backend, "backend")
    loads = list(_loads(config, plugins, backend))
    pair = open_pair(config.pair, backend, plugins.bundles, str(Where(config.origin, "pair")))
    opened = _anonymous()
    pipeline = _pipeline(config, plugins, pair)
    stream = pipeline.stream(prompt)  # as long as it is not over, the sequences live
    tokens = _written(pipeline, prompt, stream)
    read = PartMemory(CACHE, _anonymous() - opened, 0, f"after {tokens} tokens of both models")
    text = PartMemory(TOKENIZERS, opened - start - sum(load.taken for load in loads), 0)
    libraries, files = _mapped({str(load.files.onnx.parent) for load in loads})
    own = PartMemory(LIBRARIES, start + libraries, libraries)
    parts = (own, *_models(pair, loads, dict(files)), text, read)
    return Weight(_total(), parts, files, _told(pair), tokens)


def _total() -> Resident:
    total = resident()
    if isinstance(total, NotMeasured):
        raise ModelError(f"{total.not_measured}.")
    return total


def _mapped(folders: set[str]) -> tuple[int, dict[str, Resident]]:
    """Return the resident bytes of mapped files outside `folders`, and what is mapped of those in them."""
    mapped = {path: held for path, held in _by_mapping().items() if _is_file(path)}
    files = {path: held for path, held in mapped.items() if str(Path(path).parent) in folders}
    return sum(held.rss for path, held in mapped.items() if path not in files), files


def _loads(config: Config, plugins: Plugins, backend: Backend) -> Iterator[_Load]:
    """Open the models one after the other; opening the pair then finds them open."""
    for reference in references_of(config.pair, plugins.bundles, "pair").values():
        before = _anonymous()
        files = reference.bundle.model_files(reference.member)
        model = backend.load(files)
        yield _Load(files, model, _anonymous() - before)


def _pipeline(config: Config, plugins: Plugins, pair: Pair) -> Pipeline:
    router = plugins.routers.build(config.router, "router")
    sampler = plugins.samplers.build(config.sampler, "sampler")
    decode = replace(config.decode, max_new_tokens=min(TOKENS, config.decode.max_new_tokens))
    return Pipeline(pair, router, sampler, decode, config.prompts, plugins)


def _written(pipeline: Pipeline, prompt: Prompt, stream: Iterator[TokenEvent | Sample]) -> int:
    """Let the first text be written; return how many tokens both models then remember, prompts and text."""
    contexts = pipeline.read(prompt).contexts
    sample = next(item for item in stream if isinstance(item, Sample))
    return sum(map(len, contexts.values())) + 2 * sample.usage.completion_tokens


def _models(pair: Pair, loads: Sequence[_Load], files: dict[str, Resident]) -> Iterator[PartMemory]:
    """Yield the weights of each source; a second view of a model weighs nothing.

    A file's pages count for the first model that lies beside it, and are taken out of `files`.
    """
    told: dict[int, Source] = {}
    for source, member in pair.members.items():
        first = told.setdefault(id(member.model), source)
        if first is not source:
            yield PartMemory(f"{source} model", 0, 0, f"the weights of {first}, held once")
            continue
        own = [load for load in loads if load.model is member.model]
        mapped = sum(files.pop(path).rss for path in list(files) if _is_of(path, own))
        yield PartMemory(f"{source} model", sum(load.taken for load in own) + mapped, mapped)


def _told(pair: Pair) -> dict[str, Mapping[str, int] | NotMeasured]:
    told: dict[str, Mapping[str, int] | NotMeasured] = {}
    for model in pair.models:
        names = [str(source) for source, member in pair.members.items() if member.model is model]
        memory = getattr(model, "memory", None)
        told[" and ".join(names)] = memory() if memory else NotMeasured("the backend does not tell")
    return told


def _anonymous() -> int:
    """Return the resident bytes that no file backs: pages of files come and go as they are read."""
    _give_back()
    return sum(held.rss for path, held in _by_mapping().items() if not _is_file(path))


def _give_back() -> None:
    """Return freed memory to the system, so that what was freed since does not hide what was taken."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _by_mapping() -> Mapping[str, Resident]:
    found = resident_by_mapping()
    return {} if isinstance(found, NotMeasured) else found


def _is_file(path: str) -> bool:
    return path.startswith("/")


def _is_of(path: str, loads: Sequence[_Load]) -> bool:
    """Say whether a mapped file lies beside one of the graphs."""
    return any(Path(path).parent == load.files.onnx.parent for load in loads)
