"""What each method is compared with: random routers and Nudging, resample by resample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from baco_eval.intervals import Interval
from baco_eval.records import Setting
from baco_eval.report.results import Results

MATCHED, RANDOM, NUDGING = "matched", "rand", "nudging"
REFERENCES = {
    MATCHED: "its random control, of the same base shares",
    RANDOM: "rand, over its own base shares",
    NUDGING: "nudging",
}
SHARE = "base-share"


def reference_of(results: Results, kind: str) -> dict[str, str]:
    """Return, for each method, the one that it is compared with; those without one are left out.

    `matched` is a control whose settings match the method's; `rand` and `nudging` are the methods of that
    name or else the one method with that router.
    """
    plain = [method for method in results.methods if method not in results.controls]
    if kind == MATCHED:
        return {
            own[0].matches[0]: control
            for control, own in results.methods.items()
            if control in results.controls and own[0].matches and own[0].matches[0] in plain
        }
    named = [method for method in plain if method == kind] or [
        method for method in plain if _router(results, method) == kind
    ]
    return {method: named[0] for method in plain if method != named[0]} if len(named) == 1 else {}


def differences(results: Results, statistic: str, group: str, kind: str) -> dict[str, Interval]:
    """Return how far each method is above what it is compared with; {} where that was not swept."""
    found = results.means[statistic][group]
    return {
        method: found.difference(method, other)
        for method, other in reference_of(results, kind).items()
        if method in found.values and other in found.values
    }


def lacking(results: Results) -> Iterator[str]:
    """Yield what is said of references that were not swept."""
    matched = {**reference_of(results, MATCHED), **dict.fromkeys(reference_of(results, RANDOM).values())}
    without = [name for name in results.methods if name not in {*matched, *results.controls}]
    mixed = [name for name in without if _mixes(results, name)]
    if mixed:
        yield (
            f"No control was swept for {', '.join(mixed)}: a random router of the same base shares "
            "(match in the sweep's methods). How much of a gain is the router's own is not known there."
        )
    if not reference_of(results, RANDOM):
        yield "There is no random router (rand) over a range of base shares to compare with."
    if not reference_of(results, NUDGING):
        yield "Nudging was not swept (nudging), so nothing is compared with it."


def apart_of(results: Results, control: Setting) -> float | None:
    """Return how far a control's base share is from that of the setting it matches, 0 to 1, if measured."""
    shares = [results.averages.get((key, SHARE)) for key in (control.key, control.matches) if key]
    return abs(shares[0].value - shares[1].value) if len(shares) == 2 and shares[0] and shares[1] else None


def _router(results: Results, method: str) -> str:
    """Return the router that all settings of a method have, or nothing."""
    parts: list[Mapping[str, Any]] = [one.options.get("router") or {} for one in results.methods[method]]
    names = {str(part.get("use", "")) for part in parts}
    return names.pop() if len(names) == 1 else ""


def _mixes(results: Results, method: str) -> bool:
    """Say whether both models write in some setting, or it is not known."""
    shares = [results.averages.get((one.key, SHARE)) for one in results.methods[method]]
    return any(share is None or 0 < share.value < 1 for share in shares)
