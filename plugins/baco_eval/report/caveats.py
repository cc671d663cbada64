"""What a reader must know before any number: definitions, what is missing, who judged, what misleads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from baco_eval.report.comparison import apart_of, lacking
from baco_eval.report.number import number
from baco_eval.report.read import Material
from baco_eval.report.results import Results

OURS = (
    "How the paper (arXiv 2511.05650) takes Coverage and Dominance, and which metrics, is not known to us. "
    "The definitions here are our own; numbers do not compare with the paper's."
)
CLASSIFIER_FREE = ("distinct-k", "semantic-entropy")
LENGTH = "length"


def caveats(results: Results, material: Material) -> list[str]:
    """Return what a reader must know, the weightiest first."""
    return [
        OURS,
        _rule(results),
        *_shares(results),
        *_counts(results),
        *_controls(results),
        *lacking(results),
        _intervals(results),
        *_lengths(results),
        *_judges(results),
        *_partition(results),
        *results.notes,
        *_missing(results, material),
    ]


def _rule(results: Results) -> str:
    if results.rule == "trapezoid":
        return (
            "Coverage is the trapezoid area below a method's own front (rule trapezoid): 0 for one point, "
            "and a further setting can lower it. Bounds are pooled over all methods, controls included."
        )
    return (
        "Coverage is the area that a method's points dominate (rule staircase, reference 0, 0). Bounds are "
        "pooled over all methods, controls included, and stored in report.json: it changes with them."
    )


def _shares(results: Results) -> Iterator[str]:
    if results.planes:
        yield (
            "Dominance splits one front among these methods: shares change when a method is added, and "
            "tables of other methods do not compare."
        )


def _counts(results: Results) -> Iterator[str]:
    counts = {name: len(own) for name, own in results.methods.items() if name not in results.controls}
    told = ", ".join(f"{method} {count}" for method, count in counts.items())
    unlike = len(set(counts.values())) > 1
    yield f"Settings of each method: {told}." + (
        " The numbers are unlike. More settings reach more of a plane and hold more tickets for the front; "
        "see Dominance by number of settings."
        if unlike
        else ""
    )
    single = [method for method, count in counts.items() if count == 1]
    if single:
        yield f"Points without a curve, since they have a single setting: {', '.join(single)}."


def _controls(results: Results) -> Iterator[str]:
    if not results.controls:
        return
    far = [apart for one in results.settings if (apart := apart_of(results, one)) is not None]
    told = f" Their base shares are at most {100 * max(far):.1f} points away." if far else ""
    yield (
        f"Random controls ({', '.join(sorted(results.controls))}) write with the base shares of another "
        f"method.{told} They count for the bounds and have a Coverage, but no part in Dominance or the front."
    )


def _intervals(results: Results) -> str:
    return (
        f"Intervals are 2.5 to 97.5 % percentiles of {results.resamples} resamples of the prompts, the same "
        "for all methods, with the bounds of the full sample. They tell how much the choice of prompts "
        "matters, and nothing of other seeds, pairs or tasks."
    )


def _lengths(results: Results) -> Iterator[str]:
    lexical = [one for one in results.measures.values() if one.group == "lexical"]
    cuts = {one.record.options["words"] for one in lexical if one.record and "words" in one.record.options}
    if cuts:
        told = " or ".join(f"the first {cut} words" if cut else "no length" for cut in sorted(cuts))
        yield f"Texts were cut to {told} for lexical metrics; other metrics read all of a text."
    elif lexical:
        yield "To how many words texts were cut for lexical metrics is not recorded with these scores."
    means = {name: mean for name in results.methods if (mean := _mean_length(results, name)) is not None}
    told = ", ".join(f"{name} {number(mean)}" for name, mean in means.items())
    yield (
        "Longer texts repeat more words, compress better and please reward models, whoever wrote them. "
        + (f"Mean length in words: {told}." if means else "Mean length was not scored.")
    )


def _mean_length(results: Results, method: str) -> float | None:
    found = [one.value for own in results.methods[method] if (one := results.averages.get((own.key, LENGTH)))]
    return float(np.mean(found)) if found else None


def _judges(results: Results) -> Iterator[str]:
    by: dict[tuple[str, bool], list[str]] = {}
    for name, one in results.measures.items():
        models = one.record.models if one.record else {}
        told = ", ".join(f"{option} {_short(model)}" for option, model in models.items())
        if told:
            by.setdefault((told, one.group == "quality"), []).append(name)
        elif one.record is None and one.group == "quality" and one.scores:
            yield f"Who judged {name} is not recorded with these scores."
    for (told, judged), names in by.items():
        what = f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"
        yield f"{what} judged by {told}." if judged else f"{what} measured with {told}."


def _short(model: str) -> str:
    """Return a model's name with the first digits of its hash."""
    name, _, digest = model.rpartition(" ")
    return f"{name} ({digest[:8]})" if name else model


def _partition(results: Results) -> Iterator[str]:
    rules = {
        str(one.record.options.get("rule", "rouge-1"))
        for name, one in results.measures.items()
        if one.record and one.record.metric in CLASSIFIER_FREE
    } or {"rouge-1" for name in CLASSIFIER_FREE if name in results.measures}
    if rules:
        yield (
            f"Which texts say the same is told by the rule {', '.join(sorted(rules))}, not by NoveltyBench's "
            "classifier: distinct-k and what builds on it do not compare with NoveltyBench's leaderboard."
        )


def _missing(results: Results, material: Material) -> Iterator[str]:
    unscored = [f"{name} (needs {needs})" if needs else name for name, needs in material.unscored.items()]
    if unscored:
        yield f"Not scored: {', '.join(unscored)}."
    for name, measure in results.measures.items():
        for reason, count in measure.reasons.items():
            yield f"{name}: {count} not measured: {reason}"
    groups = {one.group for one in results.measures.values()}
    for group in ("lexical", "semantic", "quality"):
        if group not in groups:
            yield f"No {group} metric was scored."
