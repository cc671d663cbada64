"""Makes the pages that people rate texts on, and the key to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from baco_core.errors import ConfigError
from baco_eval.annotate.choose import named, nearest
from baco_eval.annotate.design import items_of, pages_of
from baco_eval.annotate.key import (
    FORMAT,
    WARNING,
    Chosen,
    Key,
    SettingKey,
    letters,
    shuffled,
    sign,
    write_key,
)
from baco_eval.annotate.page import Shown, page
from baco_eval.annotate.texts import Texts
from baco_eval.records import Setting
from baco_eval.sweep.errors import cannot_write
from baco_eval.sweep.lines import write_whole

PAGES_NAME = "pages"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; None is as much as there is, up to the default."""

    settings: str | None = None
    base_share: float = 0.25
    prompts: int | None = None
    texts: int | None = None
    raters: int = 3
    shared: float = 0.5
    columns: int = 2
    seed: int = 0


DEFAULT_PROMPTS, DEFAULT_TEXTS = 12, 4


def make_key(texts: Texts, wanted: Wanted, sweep: str) -> Key:
    """Return which texts are rated, by whom and where they stand. Same texts, same wishes, same key.

    Raises ConfigError for more prompts, texts, columns or raters than there are sets to be rated, and as
    choosing settings does.
    """
    manifest = texts.manifest
    chosen = _settings(texts, wanted)
    count = _at_most(wanted.texts, DEFAULT_TEXTS, manifest.n, "--texts", "texts a prompt")
    prompts = _at_most(wanted.prompts, DEFAULT_PROMPTS, len(texts.prompts), "--prompts", "prompts")
    if wanted.columns > len(chosen):
        raise ConfigError(f"--columns {wanted.columns}: {len(chosen)} settings are rated; take fewer.")
    salt = sign(texts.sha256, wanted.seed)
    asked = shuffled(salt, "prompt", texts.prompts)[:prompts]
    items = items_of(asked, [one.key for one in chosen], wanted.columns, salt)
    raters = pages_of(items, wanted.raters, wanted.shared, salt)
    if idle := [rater for rater, own in raters.items() if not own]:
        raise ConfigError(
            f"--raters {wanted.raters}: {len(idle)} of them get none of the {len(items)} items; name fewer, "
            "or more --prompts, or a larger share of items for all (--shared)."
        )
    shares = texts.shares
    return Key(
        warning=WARNING,
        format=FORMAT,
        export=sign(salt, "export", count, list(raters.items())),
        salt=salt,
        seed=wanted.seed,
        texts=count,
        rule=rule(wanted),
        sweep=sweep,
        config_sha256=manifest.config_sha256,
        settings=[Chosen(*one.key, round(shares[one.key], 4)) for one in chosen],
        prompts={item: prompt for item, (prompt, _) in items.items()},
        raters=raters,
    )


def rule(wanted: Wanted) -> str:
    """Say how the settings were chosen."""
    if wanted.settings is not None:
        return "The settings that were named."
    return f"Of each method the setting with the base share nearest to {wanted.base_share:g}."


def _settings(texts: Texts, wanted: Wanted) -> list[Setting]:
    settings = texts.manifest.settings
    if wanted.settings is not None:
        return named(wanted.settings, settings)
    return nearest(settings, texts.shares, wanted.base_share)


def _at_most(wanted: int | None, default: int, there: int, option: str, what: str) -> int:
    if wanted is not None and wanted > there:
        raise ConfigError(f"{option} {wanted}: the sweep has {there} {what}; take at most so many.")
    return min(default, there) if wanted is None else wanted


def write_export(texts: Texts, key: Key, out: Path) -> list[Path]:
    """Write the key and a page for each rater, and return them, the key first.

    Pages lie in a folder of their own, which can be handed out as a whole. Raises ConfigError when the
    folder has another export, and SweepError when a file can't be written.
    """
    try:
        (out / PAGES_NAME).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    written = [write_key(key, out)]
    for rater in key.raters:
        path = out / PAGES_NAME / f"rater-{rater}.html"
        write_whole(path, page(key.export, rater, _shown(texts, key, rater)).encode())
        written.append(path)
    return written


def _shown(texts: Texts, key: Key, rater: str) -> list[Shown]:
    """Return the items of a rater, without who wrote them."""
    return [
        Shown(
            item,
            texts.prompts[key.prompts[item]].text,
            {letter: _texts(texts, one, key, item) for letter, one in letters(sets).items()},
        )
        for item, sets in key.raters[rater].items()
    ]


def _texts(texts: Texts, one: SettingKey, key: Key, item: str) -> list[str]:
    return [found.text for found in texts.groups[(*one, key.prompts[item])][: key.texts]]


def way_to(sweep: Path, out: Path) -> str:
    """Return how to get from an export's folder to its sweep's."""
    try:
        return Path(os.path.relpath(sweep.resolve(), out.resolve())).as_posix()
    except ValueError:  # on another drive
        return sweep.resolve().as_posix()
