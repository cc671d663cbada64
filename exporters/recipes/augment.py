"""Variants of a story: other names, another thing at its centre, a title line; all from a seed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Final

from recipes.subjects import EXTRA_THINGS, Lexicon, article, with_article

_TITLES: Final = (
    "A story about {}.",
    "The story of {}.",
    "This is a story about {}.",
    "A short story about {}.",
)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often each variation is applied to a story."""

    names: float = 0.5
    thing: float = 0.15
    title: float = 0.3


def vary(story: str, lexicon: Lexicon, random: Random, rates: Rates) -> str:
    """One variant of `story` as a document for language modelling."""
    if random.random() < rates.names:
        story = swap_names(story, lexicon, random)
    if random.random() < rates.thing:
        story, _ = swap_thing(story, lexicon, random)
    if random.random() < rates.title:
        story = titled(story, lexicon, random)
    return story


def swap_names(story: str, lexicon: Lexicon, random: Random) -> str:
    """Give those who are introduced by name other names, drawn as often as the stories use them."""
    renamed: dict[str, str] = {}
    for name, bearer in lexicon.bearer_of(story).items():
        new = random.choice(lexicon.names[bearer if bearer in lexicon.names else "other"])
        if new not in story and new not in renamed.values():
            renamed[name] = new
    if not renamed:
        return story
    return re.sub(r"\b(" + "|".join(renamed) + r")\b", lambda found: renamed[found[0]], story)


def swap_thing(story: str, lexicon: Lexicon, random: Random, within: float = 1.0) -> tuple[str, str | None]:
    """Put another thing in the place of the central noun; returns the story and the new noun, if any."""
    nouns = lexicon.nouns_of(story, limit=1, within=within)
    if not nouns:
        return story, None
    pool = EXTRA_THINGS if random.random() < 0.6 else tuple(lexicon.nouns)
    new = random.choice(pool)
    if re.search(rf"\b{new}", story, re.IGNORECASE):
        return story, None
    return replace_noun(story, nouns[0], new), new


def replace_noun(text: str, old: str, new: str) -> str:
    """Replace the noun with its plural and capital forms, and correct `a` or `an` before it."""

    def substitute(found: re.Match[str]) -> str:
        before, word, plural = found["article"], found["word"], found["plural"] or ""
        word = new.capitalize() if word[0].isupper() else new
        if before:
            fitting = article(new)
            before = (fitting.capitalize() if before[0].isupper() else fitting) + found["space"]
        return f"{before or ''}{word}{'s' if plural else ''}"

    pattern = rf"\b(?:(?P<article>an?)(?P<space>\s+))?(?P<word>{old})(?P<plural>e?s)?\b"
    return re.sub(pattern, substitute, text, flags=re.IGNORECASE)


def titled(story: str, lexicon: Lexicon, random: Random) -> str:
    """The story under a line that says what it is about."""
    line = subject_phrase(story, lexicon, random)
    return f"{random.choice(_TITLES).format(line)}\n\n{story}" if line else story


def subject_phrase(story: str, lexicon: Lexicon, random: Random, within: float = 1.0) -> str | None:
    """`a boat`, `a boat and an owl`, `a girl named Lily`, `Tom and a boat`: one or two salient things."""
    things = [with_article(noun) for noun in lexicon.nouns_of(story, within=within)]
    people = [f"{with_article(bearer)} named {name}" for name, bearer in lexicon.bearer_of(story).items()]
    if not things:
        return people[0] if people else None
    first = things[0] if random.random() < 0.7 else random.choice(things)
    rest = [phrase for phrase in (*things, *people) if phrase != first]
    if rest and random.random() < 0.35:
        pair = [first, random.choice(rest)]
        random.shuffle(pair)
        return " and ".join(pair)
    return random.choice(people) if people and random.random() < 0.1 else first
