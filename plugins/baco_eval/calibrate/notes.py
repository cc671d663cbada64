"""What is said of a calibration: in the comments of the config, and while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator

from baco_core import __version__
from baco_core.config import Config
from baco_eval.calibrate.calibrate import Calibration, percent
from baco_eval.calibrate.knee import Knee
from baco_eval.calibrate.knob import shown
from baco_eval.calibrate.shares import Measured

NOISY = 0.025
"""Standard error of a share of which the double is 5 points."""


def of_share(found: Calibration, config: Config, task: str) -> Iterator[str]:
    """Yield what was wanted and what was measured on the dev prompts."""
    one = found.found
    yield f"Made by baco calibrate {__version__}: router {config.router.use} with gamma {shown(one.gamma)}."
    noise = f" (standard error over prompts: {100 * one.error:.1f} points)" if len(one.counts) > 1 else ""
    yield (
        f"Wanted base share: {percent(found.wanted)}. Measured: {percent(one.share)}{noise} on "
        f"{_amount(one, 'dev')} from {task}, seed {config.decode.seed}."
    )
    low, high = (percent(share) for share in found.reach)
    more = "more" if found.rising else "less"
    yield f"gamma reaches {low} to {high} there; a larger gamma gives {more} base."


def advice(found: Calibration) -> Iterator[str]:
    """Yield what to do where the dev prompts were too few to tell the share of others."""
    error, count = found.found.error, len(found.found.counts)
    if error > NOISY:
        needed = math.ceil(count * (error / NOISY) ** 2) if math.isfinite(error) else None
        many = f": about {needed} prompts should do" if needed else ""
        yield (
            "That is too noisy to land within 5 points on most other prompts; more dev prompts or texts "
            f"(--dev, -n) narrow it{many}."
        )


def of_landing(found: Calibration, there: Measured) -> str:
    """Return how near the wanted share the unseen prompts landed."""
    off = 100 * (there.share - found.wanted)
    return f"On {_amount(there, 'unseen')}: {percent(there.share)}, {off:+.1f} points from the wanted share."


def of_knee(found: Knee) -> Iterator[str]:
    """Yield what the knee was chosen among."""
    yield f"Made by baco calibrate {__version__}: router {found.router.use} with gamma {shown(found.gamma)}."
    planes = f"{found.planes} plane{'s' if found.planes != 1 else ''}"
    share = "" if found.share is None else f" Its measured base share is {percent(found.share)}."
    yield (
        f"The knee of {found.settings} measured settings: {found.height:.3f} above the chord between the "
        f"ends of the trade-off, the mean over {planes}.{share}"
    )
    yield from found.notes


def _amount(measured: Measured, kind: str) -> str:
    return f"{len(measured.counts)} {kind} prompts ({measured.texts} texts, {measured.tokens} tokens)"
