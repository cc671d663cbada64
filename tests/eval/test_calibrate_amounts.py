"""How much calibration writes, how near it searches, and what it says of too little."""

from __future__ import annotations

import pytest
from calibrate_world import TINY

from baco_core.cli import main
from baco_eval.calibrate import calibrate as module


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
