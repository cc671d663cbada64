"""The page on calibration is made of its summary."""

from __future__ import annotations

import json
from pathlib import Path

ONE = {
    "wanted": 0.25,
    "gamma": 0.31259,
    "rising": True,
    "reach": [0.0, 0.71],
    "dev": {"share": 0.246, "error": 0.03, "tokens": 800},
    "unseen": {"share": 0.31, "error": 0.04, "tokens": 1200},
    "measured": 4,
}
SETUP = {
    "config": "configs/tiny.yaml",
    "prompts": "creative",
    "dev": 10,
    "unseen": 9,
    "texts": 2,
    "max_new_tokens": 64,
    "seed": 0,
}


def test_the_page_is_made_of_the_summary(benchmarks: Path) -> None:
    import calibration_page

    summary = json.loads(calibration_page.SUMMARY.read_text("utf-8"))
    text = calibration_page.PAGE.read_text("utf-8")
    assert text == calibration_page.page(summary), "run: python benchmarks/calibration_page.py"


def test_errors_become_rows_and_what_misses_the_bar_is_marked(benchmarks: Path, tmp_path: Path) -> None:
    import calibration_page

    results, summary = tmp_path / "results", tmp_path / "docs" / "calibration.json"
    results.mkdir()
    near = {**ONE, "gamma": "inf", "unseen": {"share": 0.26, "error": 0.04, "tokens": 1200}}
    some = {"setup": SETUP, "routers": {"h": [near], "p": [ONE]}}
    (results / "calibration-a.json").write_text(json.dumps(some))
    (results / "calibration-b.json").write_text(json.dumps({"setup": SETUP, "routers": {"p": [near]}}))
    text = calibration_page.page(calibration_page.collect(results, summary))
    assert "| a | 1 of 2 | 3.5 | 6.0 | 2 routers |" in text
    assert "| `p` | 25% | 0.3126 | 24.6% | 31.0% | +6.0 ± 5.0 | **no** | 0 to 71 | 4 |" in text
    assert "| `h` | 25% | inf | 24.6% | 26.0% | +1.0 ± 5.0 | yes | 0 to 71 | 4 |" in text
    assert text.count("for want of time: `h`.") == 1
    (results / "calibration-a.json").unlink()
    assert list(calibration_page.collect(results, summary)) == ["a", "b"]
