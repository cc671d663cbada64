"""Opens the models a config names: finds the bundles, checks them, loads each set of weights once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os.path import isdir, isfile  # unlike those of Path, never raise for a strange name
from pathlib import Path

from baco_core.bundle import MANIFEST_NAME, SINGLE, Bundle, ModelFiles, read_bundle
from baco_core.config import PairConfig
from baco_core.errors import BundleError, ConfigError, LookUpError
from baco_core.model import Backend, Model
from baco_core.pair import Exchange, Member, Pair
from baco_core.paths import bundles_folder
from baco_core.registry import Registry
from baco_core.source import Source
from baco_core.tokenizer import Tokenizer, vocabulary_difference


@dataclass(frozen=True, slots=True)
class MemberReference:
    """A bundle and the name of the member in it that plays one role."""

    bundle: Bundle
    member: str


def open_pair(
    config: PairConfig,
    backend: Backend,
    bundles: Registry[Path],
    where: str = "pair",
    texts: int = 1,
    *,
    at_once: bool = False,
) -> Pair:
    """Open both members; raises BundleError, ModelError or ConfigError naming the culprit.

    `where` is what messages call the config's section, such as `my.yaml: pair`; `texts` how many texts
    will be written at once; `at_once` says that two models would run at the same time.
    """
    references = references_of(config, bundles, where)
    if config.verify:
        for folder in {
            reference.bundle.folder: reference.bundle for reference in references.values()
        }.values():
            folder.verify()
    members = open_members(references, backend, texts, at_once=at_once)
    exchange = _exchange(config, members)
    return Pair(_with_common_ends(members) if exchange == "tokens" else members, exchange)


def locate(reference: str, bundles: Registry[Path], where: str = "pair") -> Path:
    """Return the folder of a bundle: an embedded name, a name in the cache, or a folder.

    Raises LookUpError naming `where` and the known names, BundleError for a folder that is no bundle.
    """
    if reference in bundles:
        return bundles.get(reference)
    cached = bundles_folder() / reference
    folder = next((path for path in (Path(reference), cached) if isfile(path / MANIFEST_NAME)), None)
    if folder is not None:
        return folder
    if reference and isdir(reference):
        raise BundleError(f"{where}: {reference}: no {MANIFEST_NAME} in this folder; is it a bundle?")
    known = [*bundles.names(), *(path.parent.name for path in bundles_folder().glob(f"*/{MANIFEST_NAME}"))]
    raise LookUpError.unknown("bundle", reference, known, where=where) from None


def references_of(config: PairConfig, bundles: Registry[Path], where: str) -> dict[Source, MemberReference]:
    """Return who plays which role; LookUpError naming `where` for an unknown bundle, else BundleError."""
    if config.bundle is not None:
        bundle = read_bundle(locate(config.bundle, bundles, f"{where}.bundle"))
        return {source: MemberReference(bundle, source.value) for source in Source}
    if config.base is None or config.aligned is None:
        raise ConfigError("pair: give either 'bundle', or both 'base' and 'aligned'.")
    named = {Source.BASE: config.base, Source.ALIGNED: config.aligned}
    return {
        source: reference_of(text, source, bundles, f"{where}.{source}") for source, text in named.items()
    }


def reference_of(text: str, source: Source, bundles: Registry[Path], where: str) -> MemberReference:
    """Read `BUNDLE[:MEMBER]`; without a member, a single model's bundle gives that model.

    Raises LookUpError naming `where` for an unknown bundle, BundleError for a damaged one.
    """
    name, colon, member = text.rpartition(":")
    if not colon or member not in {SINGLE, *Source}:
        name, member = text, ""
    bundle = read_bundle(locate(name, bundles, where))
    fallback = SINGLE if SINGLE in bundle.manifest.members else source.value
    return MemberReference(bundle, member or fallback)


def open_members(
    references: Mapping[Source, MemberReference], backend: Backend, texts: int, *, at_once: bool = False
) -> dict[Source, Member]:
    """Open the members; a second thread loads the models while this one reads what turns text into tokens."""
    with ThreadPoolExecutor(1, "baco-load") as loader:
        loading = {
            source: loader.submit(backend.load, files)
            for source, files in _model_files(references, texts, at_once=at_once).items()
        }
        tokenizers = _tokenizers(references)
        return {
            source: _member(reference, loading[source].result(), tokenizers[source])
            for source, reference in references.items()
        }


def open_member(reference: MemberReference, backend: Backend) -> Member:
    """Open one member alone; raises BundleError or ModelError naming the culprit."""
    model = backend.load(reference.bundle.model_files(reference.member))
    return _member(reference, model, _tokenizers({Source.BASE: reference})[Source.BASE])


def _model_files(
    references: Mapping[Source, MemberReference], texts: int, *, at_once: bool
) -> dict[Source, ModelFiles]:
    """Return what to load, and how it will be read.

    Two views of one model read in one pass, a token each. Two models check each other's guesses, many
    tokens at a time.
    """
    files = {source: one.bundle.model_files(one.member) for source, one in references.items()}
    shared = len(set(files.values())) == 1
    together = texts * len(files) if shared else texts
    beside = len(files) if at_once and not shared else 1
    return {
        source: replace(one, together=together, singly=shared, beside=beside) for source, one in files.items()
    }


def _tokenizers(references: Mapping[Source, MemberReference]) -> dict[Source, Tokenizer]:
    """Read the tokenizers; two views of one model share one."""
    read: dict[tuple[object, ...], Tokenizer] = {}
    found = {}
    for source, reference in references.items():
        record = reference.bundle.member(reference.member)
        path = reference.bundle.path(record.tokenizer)
        tokens = tuple(sorted(record.special_tokens.items()))
        key = path, record.vocab_size, record.bos_ids, record.end_ids, tokens
        if key not in read:
            read[key] = Tokenizer.from_file(
                path,
                bos_ids=record.bos_ids,
                end_ids=record.end_ids,
                special_tokens=record.special_tokens,
                vocab_size=record.vocab_size,
            )
        found[source] = read[key]
    return found


def _member(reference: MemberReference, model: Model, tokenizer: Tokenizer) -> Member:
    bundle, record = reference.bundle, reference.bundle.member(reference.member)
    _check_size(model, record.vocab_size, bundle)
    template = bundle.path(record.chat_template).read_text("utf-8") if record.chat_template else None
    return Member(model, tokenizer, template, record.special_tokens)


def _check_size(model: Model, stated: int, bundle: Bundle) -> None:
    if model.vocab_size != stated:
        raise BundleError(
            f"{bundle.folder}: the model answers with {model.vocab_size} logits, "
            f"but the manifest says {stated}; export it again."
        )


def _with_common_ends(members: dict[Source, Member]) -> dict[Source, Member]:
    """Let either model's end tokens end the text: in one vocabulary they mean the same to both."""
    ends = frozenset[int]().union(*(member.tokenizer.vocabulary.end_ids for member in members.values()))
    return {
        source: replace(member, tokenizer=member.tokenizer.with_end_ids(ends))
        for source, member in members.items()
    }


def _exchange(config: PairConfig, members: dict[Source, Member]) -> Exchange:
    """Return how the two hear each other; ConfigError when tokens are asked for and cannot be exchanged."""
    base, aligned = (members[source].tokenizer for source in (Source.BASE, Source.ALIGNED))
    difference = vocabulary_difference(base, aligned)
    if config.exchange == "auto":
        return "text" if difference else "tokens"
    if config.exchange == "tokens" and difference:
        raise ConfigError(
            f"pair.exchange: 'tokens' needs one vocabulary, but {difference}; use 'text' or 'auto'."
        )
    return config.exchange
