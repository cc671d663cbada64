"""The page: one HTML file that asks no host for anything, and in which no text is markup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from baco_eval.intervals import Resampled
from baco_eval.report.caveats import caveats
from baco_eval.report.comparison import REFERENCES, SHARE, differences
from baco_eval.report.figure import Picture
from baco_eval.report.markup import abreast, bullets, cell, figure, folded, paragraph, section, share, table
from baco_eval.report.read import Material
from baco_eval.report.results import STATISTICS, Results
from baco_eval.report.samples import samples
from baco_eval.report.style import POLICY, STYLE

MANY = 40
"""Settings; tables of more begin folded."""
BEHAVIOUR = {SHARE: "base share", "switches": "switches per 100 tokens", "length": "length", "ended": "ended"}
TITLES = {
    "coverage": "Coverage",
    "dominance": "Dominance",
    "dominance_by_size": "Dominance, by number of settings",
}
Pictures = Mapping[str, Picture]


def page(results: Results, material: Material, pictures: Pictures) -> str:
    """Return the page; `pictures` by the names of their files."""
    title = f"Diversity and quality: {material.manifest.task.name}"
    sections = {
        "caveats": ("What to bear in mind", [bullets(caveats(results, material))]),
        "areas": ("Coverage and Dominance", _areas(results, pictures)),
        "planes": ("Planes", _planes(results, pictures)),
        "shares": ("Base share", _pictured(pictures, "base-share")),
        "settings": ("Settings", _settings(results)),
        "texts": ("Texts", samples(results, material)),
        "metrics": ("Metrics", [_metrics(results)]),
        "origin": ("Where this comes from", [_origin(material)]),
    }
    links = " ".join(f'<a href="#{name}">{escape(label)}</a>' for name, (label, _) in sections.items())
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    )
    body = [section(name, label, parts) for name, (label, parts) in sections.items()]
    top = [f"<h1>{escape(title)}</h1>", paragraph(_summary(results, material)), f"<nav>{links}</nav>"]
    return "\n".join([head, *top, *body, "</body></html>", ""])


def _summary(results: Results, material: Material) -> str:
    manifest, controls = material.manifest, len(results.controls)
    return (
        f"{len(results.methods) - controls} methods and {controls} random controls, {len(results.settings)} "
        f"settings, {manifest.task.prompts} prompts, {manifest.n} texts of each; seed {manifest.seed}; "
        f"{len(results.planes)} planes over {len(results.prompts)} prompts."
    )


def _pictured(pictures: Pictures, *names: str) -> Iterator[str]:
    found = [figure(pictures[name]) for name in names if name in pictures]
    yield from found or [paragraph("There is nothing to draw.")]


def _areas(results: Results, pictures: Pictures) -> Iterator[str]:
    yield from _pictured(pictures, "coverage", "dominance")
    yield abreast(
        _shares(f"{TITLES[name]}, means over planes", results, results.means[name]) for name in STATISTICS
    )
    if "differences" in pictures:
        yield figure(pictures["differences"])
    yield abreast(_differences(results))


def _shares(caption: str, results: Results, found: Mapping[str, Resampled]) -> str:
    """Return a table of methods down and groups or planes across; nothing where there is none."""
    rows = [
        [escape(method), *(share(one.interval(method)) for one in found.values())]
        for method in results.methods
        if found and all(method in one.values for one in found.values())
    ]
    return table(caption, ["method", *found], rows) if rows else ""


def _differences(results: Results) -> Iterator[str]:
    for kind, label in REFERENCES.items():
        groups = {group: differences(results, "coverage", group, kind) for group in results.means["coverage"]}
        rows = [
            [escape(method), *(share(found[method], signed=True) for found in groups.values())]
            for method in results.methods
            if groups and all(method in found for found in groups.values())
        ]
        if rows:
            yield table(f"Coverage less that of {label}", ["method", *groups], rows)


def _planes(results: Results, pictures: Pictures) -> Iterator[str]:
    qualities = dict.fromkeys(quality for _, quality in results.planes)
    yield from _pictured(pictures, "overview", *(f"planes-{quality}" for quality in qualities))
    for name in STATISTICS:
        for quality in qualities:
            found = {d: one.statistics[name] for (d, q), one in results.planes.items() if q == quality}
            yield folded(f"{TITLES[name]} in each plane of {quality}", _shares("", results, found))


def _settings(results: Results) -> Iterator[str]:
    yield paragraph(
        "Means over the prompts that a metric measured, with intervals. Length is in words; ended is the "
        "share of texts that ended by themselves, not at the limit."
    )
    grouped: dict[str, list[str]] = {}
    for name, one in results.measures.items():
        grouped.setdefault(one.group, []).append(name)
    first = [name for name in BEHAVIOUR if name in results.measures]
    others = [name for name in grouped.get("other", []) if name not in BEHAVIOUR]
    parts = {"Behaviour": [*first, *others]} | {
        f"Metrics: {group}": grouped.get(group, []) for group in ("lexical", "semantic", "quality")
    }
    for label, names in parts.items():
        if names:
            inside = f'<div class="settings">{_settings_table(results, names)}</div>'
            yield folded(label, inside, unfolded=len(results.settings) <= MANY or label == "Behaviour")


def _settings_table(results: Results, names: Sequence[str]) -> str:
    rows = [
        [
            f"{escape(one.method)}<br><small>{escape(one.id)}</small>",
            *(cell(results.averages.get((one.key, name))) for name in names),
        ]
        for one in results.settings
    ]
    return table("", ["setting", *(BEHAVIOUR.get(name, name) for name in names)], rows)


def _metrics(results: Results) -> str:
    better = {1: "more", -1: "less", 0: "neither"}
    rows = [
        [escape(name), escape(one.group), better[one.direction], escape(one.formula), escape(one.source)]
        for name, one in results.measures.items()
    ]
    return table("", ["metric", "group", "better", "formula", "source"], rows, text=True)


def _origin(material: Material) -> str:
    manifest = material.manifest
    facts = {
        "sweep's config, SHA-256": manifest.config_sha256,
        "prompts, SHA-256": manifest.task.sha256,
        **{f"bundle {name}, SHA-256 of baco.json": digest for name, digest in manifest.bundles.items()},
        **{f"version of {name}": version for name, version in manifest.versions.items()},
        "day that templates were told": manifest.today,
    }
    return table(
        "", ["what", "value"], [[escape(name), escape(value)] for name, value in facts.items()], text=True
    )
