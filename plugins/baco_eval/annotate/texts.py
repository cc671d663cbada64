"""Reads the texts of a finished sweep, for people."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from baco_core.errors import ConfigError
from baco_core.plugins import load_plugins
from baco_eval.records import Generation, Prompt
from baco_eval.report.read import manifest_of
from baco_eval.scoring.groups import Group, groups_of
from baco_eval.sweep.config import load_sweep
from baco_eval.sweep.manifest import CONFIG_NAME, Manifest
from baco_eval.sweep.run import prompts_of
from baco_eval.sweep.store import GENERATIONS_NAME, check_keys, read_generations
from baco_eval.tasks.task import fingerprint


@dataclass(frozen=True, slots=True)
class Texts:
    """A sweep's texts by method, setting and prompt, in order of their index."""

    manifest: Manifest
    prompts: Mapping[str, Prompt]
    groups: Mapping[Group, Sequence[Generation]]

    @property
    def shares(self) -> dict[tuple[str, str], float]:
        """The base share of each setting: base tokens over tokens, of all its texts."""
        base: dict[tuple[str, str], int] = {}
        tokens: dict[tuple[str, str], int] = {}
        for (method, setting, _), texts in self.groups.items():
            key = method, setting
            base[key] = base.get(key, 0) + sum(one.base_tokens for one in texts)
            tokens[key] = tokens.get(key, 0) + sum(one.tokens for one in texts)
        return {key: base[key] / max(1, tokens[key]) for key in base}

    @property
    def sha256(self) -> str:
        """What tells these texts from others; the order they were written in does not count."""
        content = [msgspec.json.encode(one) for texts in self.groups.values() for one in texts]
        return hashlib.sha256(b"\n".join([self.manifest.config_sha256.encode(), *content])).hexdigest()


def read_texts(folder: Path, plugins: Sequence[str] = ()) -> Texts:
    """Return a sweep's texts and prompts.

    Raises ConfigError for a folder that is no sweep's, that is not finished, or whose task has other
    prompts now, and SweepError naming file and line of what is damaged or no text of this sweep.
    """
    manifest = manifest_of(folder)
    config = load_sweep(folder / CONFIG_NAME)
    prompts = prompts_of(config, load_plugins([*config.plugins, *plugins]))
    if fingerprint(prompts) != manifest.task.sha256:
        raise ConfigError(
            f"{folder}: task {manifest.task.name!r} has other prompts than when the texts were written; "
            "put its data back."
        )
    there = read_generations(folder / GENERATIONS_NAME)
    check_keys(folder, [text.key for text in there], manifest.settings, prompts, manifest.n)
    wanted = len(manifest.settings) * len(prompts) * manifest.n
    if len(there) < wanted:
        raise ConfigError(f"{folder}: {len(there)} of {wanted} texts are there; finish baco sweep first.")
    return Texts(manifest, {one.id: one for one in prompts}, groups_of(there, manifest.n))
