"""Who rates what beside what: items, and which rater gets them in which order. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from baco_eval.annotate.key import SettingKey, shuffled, sign

Item = tuple[str, tuple[SettingKey, ...]]
"""A prompt, and whose texts stand side by side."""


def items_of(
    prompts: Sequence[str], settings: Sequence[SettingKey], columns: int, salt: str
) -> dict[str, Item]:
    """Return the items by id: of each prompt as few as show each setting once.

    Settings meet as evenly as can be: each group is made of those that met least so far. Where the last
    group of a prompt lacks settings, those that were shown least come again.
    """
    met: Counter[frozenset[SettingKey]] = Counter()
    shown: Counter[SettingKey] = Counter()
    found = {}
    for prompt in prompts:
        left = shuffled(salt, f"meet {prompt}", settings)
        while left:
            group = _group(left, settings, columns, met, shown)
            left = [one for one in left if one not in group]
            met.update(map(frozenset, combinations(group, 2)))
            shown.update(group)
            members = tuple(sorted(group))
            found[sign(salt, "item", prompt, members)] = (prompt, members)
    return found


def _group(
    left: Sequence[SettingKey],
    settings: Sequence[SettingKey],
    columns: int,
    met: Counter[frozenset[SettingKey]],
    shown: Counter[SettingKey],
) -> list[SettingKey]:
    group: list[SettingKey] = []

    def cost(one: SettingKey) -> tuple[int, int]:
        return sum(met[frozenset((one, other))] for other in group), shown[one]

    while len(group) < columns:
        free = [one for one in left if one not in group] or [one for one in settings if one not in group]
        group.append(min(free, key=cost))
    return group


def pages_of(
    items: Mapping[str, Item], raters: int, shared: float, salt: str
) -> dict[str, dict[str, list[SettingKey]]]:
    """Return by rater, in the order of the page, by item, who is set A, B and so on.

    The share `shared` of the items, those of the first prompts, is rated by all, so that agreement can be
    computed; the others are dealt out. Each rater has an order of items and of sets that is nobody else's.
    """
    common = math.ceil(shared * len(items))
    everybody, dealt = list(items)[:common], shuffled(salt, "deal", list(items)[common:])
    pages = {}
    for rater in range(raters):
        own = [*everybody, *dealt[rater::raters]]
        name = str(rater + 1)
        pages[name] = {
            item: shuffled(salt, f"sides {name} {item}", items[item][1])
            for item in shuffled(salt, f"order {name}", own)
        }
    return pages
