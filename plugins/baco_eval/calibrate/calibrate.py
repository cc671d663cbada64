"""From a wanted base share to the gamma that gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baco_core.errors import ConfigError
from baco_eval.calibrate.knob import Knob, shown
from baco_eval.calibrate.search import ladder, search
from baco_eval.calibrate.shares import Measured, Shares, Tell, mean_seconds
from baco_eval.sweep.progress import duration

NEAR = 0.01
"""Distance from the wanted share, on dev prompts, within which the search ends."""
MOST = 10
"""How many gammas are measured at most."""
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found for a wanted share; shares are fractions of tokens, 0 to 1."""

    wanted: float
    found: Measured
    reach: tuple[float, float]
    """The least and the largest share that was measured; the ends of gamma are among them."""
    rising: bool
    """Whether a larger gamma gives more base."""

    @property
    def off(self) -> float:
        """How far the share found is from the wanted one, on the dev prompts."""
        return abs(self.found.share - self.wanted)


def calibrate(
    shares: Shares, wanted: float, near: float = NEAR, most: int = MOST, tell: Tell = lambda line: None
) -> Calibration:
    """Return the gamma whose measured share is nearest to `wanted`, a fraction of tokens from 0 to 1.

    First both ends of gamma are measured, which tells the direction and the reach. What the router held
    against gamma there gives a ladder of thresholds, evenly spaced as quantiles; on it the search goes
    on with shares of texts that are written with the gamma in question, since the text depends on it.
    Raises BacoError for what cannot be written.
    """
    ends = shares.at(shares.knob.low), shares.at(shares.knob.high)
    for end in ends:
        tell(f"gamma={shown(end.gamma)}: {percent(end.share)} base, in {duration(end.seconds)}")
    rungs = _rungs(shares.knob, [signal for end in ends for signal in end.signals])
    tried = 0

    def measure(rung: int) -> float:
        nonlocal tried
        tried += 1
        one = shares.at(rungs[rung])
        if tried > len(ends):
            left = duration((most - tried) * mean_seconds(shares.known))
            tell(f"gamma={shown(one.gamma)}: {percent(one.share)} base; at most {left} to go")
        return one.share

    found = shares.at(rungs[search(measure, len(rungs), wanted, near, most)])
    reached = [one.share for one in shares.known]
    return Calibration(wanted, found, (min(reached), max(reached)), ends[0].share <= ends[1].share)


def _rungs(knob: Knob, signals: Sequence[float]) -> tuple[float, ...]:
    rungs = ladder(signals, knob.low, knob.high)
    return tuple(sorted({float(round(rung)) for rung in rungs})) if knob.whole else rungs


def require_near(calibration: Calibration, router: str, tolerance: float = TOLERANCE) -> None:
    """Raise ConfigError unless the share found is within `tolerance` of the wanted one."""
    if calibration.off <= tolerance:
        return
    low, high = (percent(share) for share in calibration.reach)
    found = calibration.found
    reaches = f"router {router!r} reaches base shares from {low} to {high} on the dev prompts"
    raise ConfigError(
        f"--share: {reaches}, and comes no nearer to {percent(calibration.wanted)} than "
        f"{percent(found.share)} (gamma {shown(found.gamma)}), which is more than {100 * tolerance:g} points "
        "off; choose another share or router."
    )


def percent(share: float) -> str:
    """Return a share for people.

    >>> percent(0.1234)
    '12.3 %'
    """
    return f"{100 * share:.1f} %"
