"""Texts side by side, coloured by who wrote what. No text is markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from baco_eval.records import Generation, Setting
from baco_eval.report.comparison import SHARE
from baco_eval.report.read import Material
from baco_eval.report.results import Results

SHOWN = 3
"""Prompts."""
LONGEST = 1500
"""Characters of one text; a page is no archive."""
WANTED = 0.5
"""Base share that texts are shown near to: there both models have a say."""


def samples(results: Results, material: Material) -> Iterator[str]:
    """Yield the first texts of a few prompts by each method, at about the same base share, as HTML."""
    chosen = alike(results)
    keys = {one.key for one in chosen}
    first = {
        (one.method, one.setting, one.prompt): one
        for one in material.generations
        if one.index == 0 and (one.method, one.setting) in keys
    }
    prompts = sorted({prompt for _, _, prompt in first})[:SHOWN]
    yield (
        f"<p>The first text of the setting of each method whose mean base share is nearest to {WANTED:.0%}; "
        'none was picked by hand. <span class="base">base</span> <span class="aligned">aligned</span></p>'
    )
    for prompt in prompts:
        yield f"<h3>Prompt {escape(prompt)}</h3>"
        if said := material.prompts.get(prompt):
            yield f'<p class="prompt">{escape(said[:LONGEST])}{"…" if len(said) > LONGEST else ""}</p>'
        yield '<div class="samples">'
        yield from (_sample(first[key], results) for one in chosen if (key := (*one.key, prompt)) in first)
        yield "</div>"


def alike(results: Results) -> list[Setting]:
    """Return of each method but controls the setting whose base share is nearest to half.

    Where shares are as near, or not measured, it is the middle one of them.
    """
    return [_nearest(results, own) for name, own in results.methods.items() if name not in results.controls]


def _nearest(results: Results, own: Sequence[Setting]) -> Setting:
    far: Mapping[tuple[str, str], float] = {
        one.key: abs(share.value - WANTED) if (share := results.averages.get((one.key, SHARE))) else WANTED
        for one in own
    }
    least = min(far.values())
    near = [one for one in own if far[one.key] <= least + 1e-9]
    return near[len(near) // 2]


def _sample(one: Generation, results: Results) -> str:
    share = results.averages.get(((one.method, one.setting), SHARE))
    mean = f", {share.value:.0%} in the mean" if share else ""
    facts = f"{one.setting}; base share {one.base_share:.0%}{mean}; {_ending(one)}"
    return (
        f"<article><h4>{escape(one.method)}</h4><p><small>{escape(facts)}</small></p>"
        f'<div class="said">{_body(one)}</div></article>'
    )


def _ending(one: Generation) -> str:
    return f"{one.tokens} tokens, ended by {'itself' if one.finish_reason == 'stop' else one.finish_reason}"


def _body(one: Generation) -> str:
    shown, left = [], LONGEST
    for source, text in one.pieces or (("", one.text),):
        if left > 0:
            shown.append(_piece(source, text[:left]))
        left -= len(text)
    return "".join(shown) + ("…" if left < 0 else "")


def _piece(source: str, text: str) -> str:
    kind = f' class="{source}"' if source in ("base", "aligned") else ""
    return f"<span{kind}>{escape(text)}</span>"
