"""Writes docs/results/: README.md and a page a sweep, from NAME.json: `python benchmarks/results_page.py`.

With NAME=FOLDER arguments the summaries are first made of reported sweeps; `--took NAME="14 min"` says
how long one lasted. A test keeps pages and summaries equal.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from results_collect import RESULTS, Summary, collect
from results_findings import findings, order_of_routers

TITLES = {
    "tiny": "The embedded pair, on its own task",
    "smollm2": "SmolLM2 in two views, on NoveltyBench",
    "gemma3-smollm2": "Gemma-3 with SmolLM2, on NoveltyBench",
}
"""By the name of a sweep in configs/, in the order of the page."""
HEAD = (Path(__file__).parent / "results_head.md").read_text("utf-8")
GROUPS = ("lexical", "semantic", "overall")
KINDS = {
    "matched": "random, same base shares",
    "rand": "`rand`, own base shares",
    "nudging": "`nudging`",
}


def overview(summaries: Mapping[str, Summary]) -> str:
    """Return docs/results/README.md."""
    parts = [HEAD]
    for name, summary in summaries.items():
        parts += [f"## {TITLES[name]}", "", _setup(summary), "", *_found(summary)]
        parts += ["", f"![Diversity against quality]({name}/overview.png)", ""]
        parts += [_short(summary), f"\nTables, pictures and texts: [{name}.md]({name}.md).\n"]
    return "\n".join([*parts, order_of_routers(summaries), ""])


def page(name: str, summary: Summary) -> str:
    """Return docs/results/NAME.md."""
    parts = [f"# {TITLES[name]}", "", _setup(summary), "", *_found(summary), ""]
    parts += ["## Coverage and Dominance", "", _means(summary, "coverage"), _means(summary, "dominance")]
    parts += [
        f"![Coverage of each method]({name}/coverage.png)\n",
        "## Against controls",
        "",
        _differences(summary),
    ]
    parts += [
        f"![Coverage above references]({name}/differences.png)\n",
        "## Base share and what else differs",
        "",
    ]
    parts += [_behaviour(summary), f"![Base share against gamma]({name}/base-share.png)\n"]
    parts += ["## A text of each", "", *_samples(summary["samples"]), "## To bear in mind", ""]
    return "\n".join([*parts, *(f"* {caveat}" for caveat in summary["caveats"]), ""])


def _setup(summary: Summary) -> str:
    setup = summary["setup"]
    bundles = ", ".join(f"`{bundle}`" for bundle in setup["bundles"])
    planes = "; ".join(
        f"{len(found)} planes with `{quality}`" for quality, found in summary["planes"].items()
    )
    return (
        f"Pair {bundles}, task `{setup['task']}`: {setup['prompts']} prompts, {setup['n']} texts of each, "
        f"{setup['settings']} settings, {setup['texts']:,} texts of at most {setup['max_new_tokens']} "
        f"tokens, seed {setup['seed']}. {planes[0].upper()}{planes[1:]}. {setup['took']} on "
        f"{setup['machine']}."
    )


def _found(summary: Summary) -> list[str]:
    return [f"* {line}" for line in findings(summary)]


def _short(summary: Summary) -> str:
    """Return the table of Coverage and Dominance, overall."""
    head = ["method", "Coverage", "above its random control", "Dominance, %"]
    matched = summary["differences"]["matched"]["overall"]
    rows = [
        [
            f"`{method}`",
            _interval(coverage),
            _signed(matched[method]) if method in matched else "–",
            _interval(summary["dominance"]["overall"][method], 100, 1),
        ]
        for method, coverage in _best_first(summary, "coverage")
        if method not in summary["controls"]
    ]
    return _table(head, rows)


def _means(summary: Summary, statistic: str) -> str:
    factor, digits = (1, 3) if statistic == "coverage" else (100, 1)
    head = ["method", "settings", *(f"{group} {statistic.capitalize()}" for group in GROUPS)]
    rows = [
        [
            f"`{method}`",
            str(summary["methods"][method]["settings"]),
            *(_interval(summary[statistic][group][method], factor, digits) for group in GROUPS),
        ]
        for method, _ in _best_first(summary, statistic)
    ]
    unit = "" if factor == 1 else "Dominance in %. "
    return f"{unit}In brackets the 2.5 and 97.5 % percentiles over prompts.\n\n{_table(head, rows)}"


def _differences(summary: Summary) -> str:
    found = summary["differences"]
    kinds = {kind: told for kind, told in KINDS.items() if found[kind].get("overall")}
    head = ["method", *(f"less {told}" for told in kinds.values())]
    rows = [
        [
            f"`{method}`",
            *(
                _signed(found[kind]["overall"][method]) if method in found[kind]["overall"] else "–"
                for kind in kinds
            ),
        ]
        for method, _ in _best_first(summary, "coverage")
        if any(method in found[kind]["overall"] for kind in kinds)
    ]
    note = "Overall Coverage less a reference's, resample by resample; bold where the interval excludes zero."
    return f"{note}\n\n{_table(head, rows)}"


def _behaviour(summary: Summary) -> str:
    head = ["method", "base share, %", "switches in 100 tokens", "words", "ended, %", "repetition, %"]
    factors = {"base-share": 100, "switches": 1, "length": 1, "ended": 100, "repetition": 100}
    rows = [
        [f"`{method}`", *(_range([factor * one for one in own[name]]) for name, factor in factors.items())]
        for method, own in summary["methods"].items()
    ]
    return f"Least to most over the settings of a method.\n\n{_table(head, rows)}"


def _samples(samples: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yield the same sample of each method."""
    prompt = samples[0]["prompt"] if samples else ""
    yield f"Text 0 of prompt `{prompt}`, in the middle setting of each method.\n"
    for one in samples:
        text = " ".join(one["text"].split()).replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
        yield f"* `{one['method']}`, {one['setting'] or 'default'}: {text or '(nothing)'}"
    yield ""


def _best_first(summary: Summary, statistic: str) -> list[tuple[str, Mapping[str, float]]]:
    return sorted(summary[statistic]["overall"].items(), key=lambda one: -one[1]["value"])


def _interval(one: Mapping[str, float], factor: float = 1, digits: int = 3) -> str:
    value, low, high = (f"{factor * one[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _signed(one: Mapping[str, float]) -> str:
    value, low, high = (f"{one[key]:+.3f}" for key in ("value", "low", "high"))
    clear = one["low"] > 0 or one["high"] < 0
    return f"**{value}** ({low} to {high})" if clear else f"{value} ({low} to {high})"


def _range(values: Sequence[float]) -> str:
    low, high = (f"{value:.1f}" for value in values)
    return low if low == high else f"{low} to {high}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def summaries(results: Path = RESULTS) -> dict[str, Any]:
    """Return what was collected, by name."""
    there = {name: results / f"{name}.json" for name in TITLES}
    return {name: json.loads(path.read_text("utf-8")) for name, path in there.items() if path.exists()}


def main() -> None:
    """Collect what is named, then write every page."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("sweeps", nargs="*", metavar="NAME=FOLDER", help=f"names: {', '.join(TITLES)}")
    parser.add_argument("--took", action="append", default=[], metavar="NAME=TIME")
    options = parser.parse_args()
    took = dict(one.split("=", 1) for one in options.took)
    for one in options.sweeps:
        name, _, folder = one.partition("=")
        if name not in TITLES or not folder:
            parser.error(f"{one!r} is not NAME=FOLDER with a name of {', '.join(TITLES)}")
        collect(name, Path(folder), took.get(name, "Not timed"))
    found = summaries()
    for name, summary in found.items():
        (RESULTS / f"{name}.md").write_text(page(name, summary), "utf-8")
    (RESULTS / "README.md").write_text(overview(found), "utf-8")
    print(RESULTS / "README.md")


if __name__ == "__main__":
    main()
