"""Which texts of a sweep are measured: all, or the part of an unfinished one that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baco_core.errors import ConfigError
from baco_eval.records import Generation, Prompt
from baco_eval.scoring.groups import Group, groups_of
from baco_eval.sweep.errors import SweepError
from baco_eval.sweep.manifest import Manifest
from baco_eval.sweep.store import GENERATIONS_NAME, check_keys, read_generations
from baco_eval.tasks.task import fingerprint

Groups = dict[Group, list[Generation]]


def finished(folder: Path, manifest: Manifest, prompts: Sequence[Prompt], *, partial: bool = False) -> Groups:
    """Return all texts by setting and prompt, or with `partial` those of `comparable`.

    Raises ConfigError when texts lack, or with `partial` when nothing can be compared yet, and SweepError
    for prompts or texts that are not those of the sweep.
    """
    if fingerprint(prompts) != manifest.task.sha256:
        raise SweepError(f"{folder}: the task {manifest.task.name!r} has other prompts now; put them back.")
    there = read_generations(folder / GENERATIONS_NAME)
    check_keys(folder, [text.key for text in there], manifest.settings, prompts, manifest.n)
    groups = groups_of(there, manifest.n)
    if partial and (groups := comparable(groups, manifest, prompts)):
        return groups
    size = len(manifest.settings) * len(prompts) * manifest.n
    if len(there) < size:  # all settings are cut to common lengths, so all must be there
        what = "finish baco sweep first" if partial else "finish baco sweep first, or pass --partial"
        raise ConfigError(f"{folder}: {len(there)} of {size} texts are there; {what}.")
    return groups


def comparable(groups: Groups, manifest: Manifest, prompts: Sequence[Prompt]) -> Groups:
    """Return the groups of settings that have all prompts, or those of prompts that all settings have.

    The larger part is taken: the one or the other grows first, by the sweep's `order`. Of the prompts that
    all other settings have, those of controls are taken as far as they are there: they come last.
    """
    keys = {setting.key for setting in manifest.settings if setting.matches is None}
    full = {setting.key for setting in manifest.settings if _has(groups, [setting.key], prompts)}
    common = {prompt.id for prompt in prompts if _has(groups, keys, [prompt])}
    by_setting = {group: texts for group, texts in groups.items() if group[:2] in full}
    by_prompt = {group: texts for group, texts in groups.items() if group[2] in common}
    return max(by_setting, by_prompt, key=len)


def _has(
    groups: Groups, keys: Sequence[tuple[str, str]] | set[tuple[str, str]], prompts: Sequence[Prompt]
) -> bool:
    return all((*key, prompt.id) in groups for key in keys for prompt in prompts)


def told(groups: Groups, manifest: Manifest, prompts: Sequence[Prompt]) -> str:
    """Return which part is measured, in words; nothing when it is all."""
    settings, asked = {group[:2] for group in groups}, {group[2] for group in groups}
    if len(groups) == len(manifest.settings) * len(prompts):
        return ""
    return (
        f"of an unfinished sweep: {len(settings)} of {len(manifest.settings)} settings on "
        f"{len(asked)} of {len(prompts)} prompts are measured."
    )
