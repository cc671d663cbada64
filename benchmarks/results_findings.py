"""Says in sentences what the figures of a sweep say, for better and for worse. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scipy.stats import spearmanr

Summary = Mapping[str, Any]
ROUTERS = ("rand", "p", "h", "punc", "fc", "p-punc", "h-punc", "p-fc", "h-fc")
"""BACo's own; every other method is a baseline."""
PAPER = ("p-punc", "rand", "h-punc", "p-fc", "p", "fc")
"""Overall Coverage on NoveltyBench, best first, as public notes on arXiv 2511.05650 give it (second hand)."""


def findings(summary: Summary) -> Iterator[str]:
    """Yield a sentence a finding."""
    overall = _overall(summary)
    routers = [name for name in overall if name in ROUTERS]
    baselines = [name for name in overall if name not in ROUTERS]
    yield _first(overall, routers, baselines)
    yield _alone(overall, routers)
    for kind, told in (("matched", "a random router of the same base shares"), ("nudging", "Nudging")):
        yield from _against(summary["differences"][kind].get("overall", {}), routers, told)
    yield _front(summary, routers)


def _overall(summary: Summary) -> dict[str, float]:
    """Return the overall Coverage of each method but controls, best first."""
    found = {
        name: one["value"]
        for name, one in summary["coverage"]["overall"].items()
        if name not in summary["controls"]
    }
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def _first(overall: Mapping[str, float], routers: Sequence[str], baselines: Sequence[str]) -> str:
    router, baseline = routers[0], baselines[0]
    said = (
        "BACo's best router covers more" if overall[router] > overall[baseline] else "A baseline covers more"
    )
    return (
        f"{said}: overall Coverage {overall[router]:.3f} for `{router}`, {overall[baseline]:.3f} for the "
        f"best baseline, `{baseline}`."
    )


def _alone(overall: Mapping[str, float], routers: Sequence[str]) -> str:
    single = max(overall["base"], overall["aligned"])
    above = [name for name in routers if overall[name] > single]
    told = (
        f"{_names(above)} cover{'s' if len(above) == 1 else ''} more than"
        if above
        else "No router covers more than"
    )
    return (
        f"{told} either model alone with its temperature turned (base {overall['base']:.3f}, aligned "
        f"{overall['aligned']:.3f})."
    )


def _against(differences: Mapping[str, Any], routers: Sequence[str], reference: str) -> Iterator[str]:
    """Yield who is above, below or level with a reference, by the interval of the difference."""
    verdicts: dict[str, list[str]] = {"above": [], "below": [], "not clearly different from": []}
    for name in routers:
        if one := differences.get(name):
            verdict = (
                "above" if one["low"] > 0 else "below" if one["high"] < 0 else "not clearly different from"
            )
            verdicts[verdict].append(name)
    told = [f"{verdict} it: {_names(names)}" for verdict, names in verdicts.items() if names]
    if told:
        yield f"Against {reference} (overall Coverage): {'; '.join(told)}."


def _front(summary: Summary, routers: Sequence[str]) -> str:
    shares = {name: one["value"] for name, one in summary["dominance"]["overall"].items()}
    ours = sum(shares[name] for name in routers if name in shares)
    best = sorted(shares, key=lambda name: -shares[name])[:3]
    told = ", ".join(f"`{name}` {shares[name]:.0%}" for name in best)
    return f"Of the front, routers hold {ours:.0%}; the largest shares are {told}."


def order_of_routers(summaries: Mapping[str, Summary]) -> str:
    """Return the section that compares the order of routers with the paper's."""
    lines = [
        "## Does the paper's order of routers show?",
        "",
        f"The paper's order on NoveltyBench, as public notes give it: {_names(PAPER)}. Its models were",
        "larger, its texts longer, its metrics others: only the order can be compared.",
        "",
    ]
    return "\n".join([*lines, *(_order(name, summary) for name, summary in summaries.items())])


def _order(name: str, summary: Summary) -> str:
    ours = [method for method in _overall(summary) if method in PAPER]
    if len(ours) < 4:
        return f"* {name}: {_names(ours)}; too few routers to compare an order."
    rank = spearmanr([ours.index(one) for one in ours], [PAPER.index(one) for one in ours]).statistic
    told = f"Rank correlation with the paper's order {rank:+.2f} (Spearman, {len(ours)} routers)"
    return f"* {name}: {_names(ours)}. {told}."


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
