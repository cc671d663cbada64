"""How much calibration writes, how near it searches, and what it says of too little."""

from __future__ import annotations

import pytest
from calibrate_world import TINY

from baco_core.cli import main
from baco_eval.calibrate import calibrate as module
from baco_eval.calibrate.calibrate import Calibration
from baco_eval.calibrate.dev import amounts
from baco_eval.calibrate.notes import advice
from baco_eval.calibrate.shares import Measured


@pytest.mark.parametrize(("tolerance", "near"), [("5", 0.01), ("0.3", 0.003), ("0", 0)])
def test_the_search_goes_as_near_as_the_tolerance_asks(
    tolerance: str, near: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def searched(shares: object, wanted: float, near: float = module.NEAR, **_: object) -> None:
        asked.append(near)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "calibrate", searched)
    sets = [part for one in TINY for part in ("--set", one)]
    assert main(["calibrate", "--share", "0.3", "--tolerance", tolerance, "--dev", "2", *sets]) == 130
    assert asked == [pytest.approx(near)]


def landed(*counts: tuple[int, int]) -> Calibration:
    return Calibration(0.25, Measured(0.3, counts, len(counts)), (0, 1), True)


def test_too_few_dev_prompts_are_told_with_how_many_would_do() -> None:
    spread = landed((10, 40), (2, 40), (18, 40), (10, 40))
    assert spread.found.error == pytest.approx(0.0816, abs=1e-4)
    (line,) = advice(spread)
    assert line.endswith("more dev prompts or texts (--dev, -n) narrow it: about 43 prompts should do.")
    (line,) = advice(landed((10, 40)))
    assert line.endswith("(--dev, -n) narrow it.")
    assert not [*advice(landed((10, 40), (11, 40), (9, 40)))]


@pytest.mark.parametrize(
    ("size", "dev", "texts", "check", "taken"),
    [
        (200, None, None, False, (80, 1)),
        (200, None, None, True, (80, 1)),
        (100, None, None, True, (50, 2)),
        (20, None, None, False, (20, 4)),
        (20, None, None, True, (10, 8)),
        (1, None, None, True, (1, 80)),
        (200, 20, None, False, (20, 4)),
        (20, 40, None, False, (40, 4)),
        (200, None, 3, False, (80, 3)),
        (200, 5, 3, True, (5, 3)),
    ],
)
def test_prompts_are_many_and_texts_of_each_few(
    size: int, dev: int | None, texts: int | None, check: bool, taken: tuple[int, int]
) -> None:
    assert amounts(size, dev, texts, check) == taken
