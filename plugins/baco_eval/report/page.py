"""The page: one HTML file that asks no host for anything, and in which no text is markup."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from baco_eval.intervals import Interval
from baco_eval.records import Generation
from baco_eval.report.ink import number
from baco_eval.report.read import Material
from baco_eval.report.results import CONTROL, STATISTICS, Results
from baco_eval.report.tables import differences

SHOWN_PROMPTS = 3
TITLES = {
    "coverage": "Coverage",
    "dominance": "Dominance",
    "dominance_by_size": "Dominance, by number of settings",
}
STYLE = """
body{font:16px/1.5 Helvetica,Arial,sans-serif;color:#1a1a1a;background:#fff;max-width:60rem;margin:2rem auto;
padding:0 1rem}
h2{margin-top:2.5rem}table{border-collapse:collapse;margin:.5rem 0 1.5rem}.wide{overflow-x:auto}
caption{text-align:left;font-weight:bold;padding:.3rem 0}
th,td{padding:.25rem .7rem;border-bottom:1px solid #dcdcdc;text-align:right;vertical-align:top;
white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.text{text-align:left;white-space:normal}
small{color:#5c5c5c}svg{max-width:100%;height:auto}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1rem}
.samples div{border:1px solid #dcdcdc;padding:.6rem;overflow-wrap:anywhere;white-space:pre-wrap}
.samples b{display:block}.base{background:#ffd9a8;border-bottom:2px solid #b35300}
.aligned{background:#d5e8fb}
@media print{body{font-size:10pt;margin:0;max-width:none}svg,table,.samples div{break-inside:avoid}}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(results: Results, material: Material, pictures: Mapping[str, str]) -> str:
    """Return the page; `pictures` are SVG by title."""
    title = f"Diversity and quality: {material.manifest.task.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(_summary(results, material))}</p>",
        "<h2>What to bear in mind</h2>",
        _list(caveats(results, material)),
        "<h2>Coverage and Dominance</h2>",
        *_means(results),
        *_differences(results),
        "<h2>Pictures</h2>",
        *(f"<figure>{svg}</figure>" for svg in pictures.values()),
        *_planes(results),
        "<h2>Settings</h2>",
        _settings(results),
        "<h2>Texts</h2>",
        *_samples(results, material.generations),
        "<h2>Metrics</h2>",
        _metrics(results),
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
    )
    return "\n".join([head, *parts, "</body></html>", ""])


def caveats(results: Results, material: Material) -> list[str]:
    """Return what a reader must know: the rule, how many settings, what is missing and why."""
    counts = {method: len(own) for method, own in results.methods.items()}
    told = ", ".join(f"{method} {count}" for method, count in counts.items())
    found = [_rule(results), f"Settings of each method: {told}."]
    if len(set(counts.values())) > 1:
        found.append(
            "Methods have unlike numbers of settings. More settings hold more tickets for the front; see "
            "Dominance by number of settings."
        )
    found += [
        f"{method} has a single setting: a point, no curve." for method, count in counts.items() if count == 1
    ]
    if CONTROL not in counts:
        found.append("There is no random router (rand), which every router should be compared with.")
    found.append(
        "Dominance splits one front among these methods: shares change when a method is added, and tables of "
        "other methods do not compare."
    )
    found.append(
        f"Intervals are 2.5 to 97.5 % percentiles of {results.resamples} resamples of the prompts, the same "
        "for all methods, with the bounds of the full sample. They tell nothing of other prompts or pairs."
    )
    return [*found, *results.notes, *_missing(results, material)]


def _rule(results: Results) -> str:
    if results.rule == "trapezoid":
        return (
            "Coverage is the trapezoid area below a method's own front (rule trapezoid): 0 for one point, "
            "and a further setting can lower it."
        )
    return (
        "Coverage is the area that a method's points dominate within the pooled bounds (rule staircase, "
        "reference 0, 0)."
    )


def _missing(results: Results, material: Material) -> Iterator[str]:
    for name, needs in material.unscored.items():
        yield f"{name} was not scored" + (f"; it needs a model ({needs})." if needs else ".")
    groups = {one.group for one in results.measures.values()}
    for name, measure in results.measures.items():
        for reason, count in measure.reasons.items():
            yield f"{name}: {count} not measured: {reason}"
    for group in ("lexical", "semantic", "quality"):
        if group not in groups:
            yield f"No {group} metric was scored."


def _summary(results: Results, material: Material) -> str:
    manifest = material.manifest
    return (
        f"{len(results.methods)} methods, {len(results.settings)} settings, {manifest.task.prompts} prompts, "
        f"{manifest.n} texts of each; seed {manifest.seed}; {len(results.planes)} planes over "
        f"{len(results.prompts)} prompts."
    )


def _means(results: Results) -> Iterator[str]:
    for name in STATISTICS:
        groups = results.means[name]
        rows = [
            [escape(method), *(_interval(found.interval(method)) for found in groups.values())]
            for method in results.methods
        ]
        if groups:
            yield _table(f"{TITLES[name]}, means over planes", ["method", *groups], rows)


def _differences(results: Results) -> Iterator[str]:
    groups = results.means["coverage"]
    found = {group: differences(results, "coverage", group) for group in groups}
    methods = [method for method in results.methods if method != CONTROL]
    if not all(found.values()) or not found or not methods:
        return
    rows = [[escape(method), *(_interval(found[group][method]) for group in groups)] for method in methods]
    yield _table("Coverage above the random router, over all its base shares", ["method", *groups], rows)


def _planes(results: Results) -> Iterator[str]:
    for name in STATISTICS:
        rows = [
            [
                f"{escape(d)} × {escape(q)}",
                *(_interval(plane.statistics[name].interval(method)) for method in plane.points),
            ]
            for (d, q), plane in results.planes.items()
        ]
        if rows:
            yield _table(f"{TITLES[name]} in each plane", ["plane", *map(escape, results.methods)], rows)


def _settings(results: Results) -> str:
    rows = []
    for setting in results.settings:
        found = [results.averages.get((setting.key, name)) for name in results.measures]
        cells = [_interval(one) if one else "<small>not measured</small>" for one in found]
        rows.append([f"{escape(setting.method)} {escape(setting.id)}", *cells])
    return _table("Means over prompts", ["setting", *map(escape, results.measures)], rows)


def _metrics(results: Results) -> str:
    better = {1: "more", -1: "less", 0: "neither"}
    rows = [
        [escape(name), one.group, better[one.direction], escape(one.formula), escape(one.source)]
        for name, one in results.measures.items()
    ]
    return _table("", ["metric", "group", "better", "formula", "source"], rows, text=True)


def _samples(results: Results, generations: Sequence[Generation]) -> Iterator[str]:
    first = {(one.method, one.setting, one.prompt): one for one in generations if one.index == 0}
    prompts = sorted({prompt for _, _, prompt in first})[:SHOWN_PROMPTS]
    yield (
        "<p>The first text of the middle setting of each method; none was chosen. "
        '<span class="base">base</span> <span class="aligned">aligned</span></p>'
    )
    chosen = [own[len(own) // 2] for own in results.methods.values()]
    for prompt in prompts:
        texts = [first[key] for one in chosen if (key := (*one.key, prompt)) in first]
        yield f'<h3>{escape(prompt)}</h3><div class="samples">'
        yield from (_sample(one) for one in texts)
        yield "</div>"


def _sample(one: Generation) -> str:
    pieces = one.pieces or (("", one.text),)
    body = "".join(_piece(source, text) for source, text in pieces)
    return (
        f"<div><b>{escape(one.method)} {escape(one.setting)}</b>"
        f"<small>base share {one.base_share:.0%}</small>\n{body}</div>"
    )


def _piece(source: str, text: str) -> str:
    kind = f' class="{source}"' if source in ("base", "aligned") else ""
    return f"<span{kind}>{escape(text)}</span>"


def _interval(one: Interval) -> str:
    return f"{number(one.value)} <small>{number(one.low)} to {number(one.high)}</small>"


def _table(caption: str, head: Iterable[str], rows: Iterable[Sequence[str]], *, text: bool = False) -> str:
    """Return a table; cells are HTML already."""
    cell = '<td class="text">' if text else "<td>"
    top = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"{cell}{item}</td>" for item in row) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
