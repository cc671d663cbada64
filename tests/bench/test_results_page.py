"""The pages of results are made of their summaries, and their sentences say what the figures say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scipy", reason="ranks routers; part of baco[eval]")


def interval(value: float, spread: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - spread, "high": value + spread}


def summary(coverage: dict[str, float], matched: dict[str, dict[str, float]]) -> dict[str, Any]:
    means = {name: interval(value) for name, value in coverage.items()}
    return {
        "coverage": {"overall": means},
        "dominance": {"overall": {name: interval(1 / len(coverage)) for name in coverage}},
        "differences": {"matched": {"overall": matched}, "rand": {}, "nudging": {}},
        "controls": [],
    }


def test_pages_are_made_of_their_summaries(benchmarks: Path) -> None:
    import results_page

    found = results_page.summaries()
    assert found, "docs/results has no summary"
    told = results_page.overview(found)
    assert (results_page.RESULTS / "README.md").read_text("utf-8") == told, (
        "run: python benchmarks/results_page.py"
    )
    for name, one in found.items():
        assert (results_page.RESULTS / f"{name}.md").read_text("utf-8") == results_page.page(name, one)
        for picture in ("overview", "coverage", "differences", "base-share"):
            assert (results_page.RESULTS / name / f"{picture}.png").stat().st_size < 1_000_000


def test_a_baseline_that_covers_more_is_said_to(benchmarks: Path) -> None:
    from results_findings import findings

    worse = list(findings(summary({"base": 0.3, "aligned": 0.2, "p": 0.25, "ensemble": 0.4}, {})))
    assert worse[0].startswith("A baseline covers more: overall Coverage 0.250 for `p`, 0.400")
    assert worse[1].startswith("No router covers more than either model alone")
    better = list(findings(summary({"base": 0.3, "aligned": 0.2, "p": 0.5, "ensemble": 0.4}, {})))
    assert better[0].startswith("BACo's best router covers more: overall Coverage 0.500 for `p`")
    assert better[1].startswith("`p` covers more than either model alone")


def test_against_a_control_the_interval_decides(benchmarks: Path) -> None:
    from results_findings import findings

    covered = {"base": 0.3, "aligned": 0.2, "p": 0.5, "p-punc": 0.4, "h-punc": 0.35}
    matched = {"p": interval(0.05), "p-punc": interval(-0.05), "h-punc": interval(0.005)}
    lines = list(findings(summary(covered, matched)))
    assert (
        "Against a random router of the same base shares (overall Coverage): above it: `p`; below it: "
        "`p-punc`; not clearly different from it: `h-punc`."
    ) in lines


@pytest.mark.parametrize(
    ("best_first", "rank"),
    [("p-punc rand h-punc p-fc p fc", "+1.00"), ("fc p p-fc h-punc rand p-punc", "-1.00")],
)
def test_the_order_of_routers_is_ranked_against_the_papers(
    benchmarks: Path, best_first: str, rank: str
) -> None:
    from results_findings import order_of_routers

    covered = {name: 0.9 - 0.1 * place for place, name in enumerate(best_first.split())}
    assert f"order {rank} (Spearman, 6 routers)" in order_of_routers({"tiny": summary(covered, {})})
    assert "too few" in order_of_routers({"tiny": summary({"rand": 0.5, "p": 0.4}, {})})


def test_a_sweep_is_collected_with_its_pictures(benchmarks: Path, tmp_path: Path) -> None:
    import results_collect

    folder = tmp_path / "sweep"
    (folder / "report").mkdir(parents=True)
    behaviour = {name: interval(0.5) for name in results_collect.BEHAVIOUR}
    settings = [{"method": "p", "id": f"gamma={gamma}", "means": behaviour} for gamma in (1, 2, 3)]
    report = {
        "task": {"name": "creative"},
        "prompts": ["boat", "cat"],
        "n": 1,
        "settings": settings,
        "seed": 1,
        "bundles": {"tiny": "0" * 64},
        "versions": {},
        "means": {"coverage": {}, "dominance": {}},
        "differences": {"coverage": {}},
        "controls": [],
        "planes": [{"diversity": "ead", "quality": "relevance"}],
        "caveats": [],
    }
    manifest = {"config": {"decode": {"max_new_tokens": 8}}, "task": {"prompts": 2}, "settings": settings}
    texts = [
        {"method": "p", "setting": one["id"], "prompt": prompt, "index": 0, "text": f"{one['id']} {prompt}"}
        for one in settings
        for prompt in ("cat", "boat")
    ]
    (folder / "report" / "report.json").write_text(json.dumps(report))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "generations.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts))
    for picture in results_collect.PICTURES:
        (folder / "report" / f"{picture}.png").write_bytes(b"PNG")
    found = results_collect.collect("tiny", folder, "1 s", tmp_path / "results")
    assert found["setup"]["texts"] == 6
    assert found["planes"] == {"relevance": ["ead"]}
    assert [one["text"] for one in found["samples"]] == ["gamma=2 boat"]
    assert json.loads((tmp_path / "results" / "tiny.json").read_text()) == found
    assert sorted(path.stem for path in (tmp_path / "results" / "tiny").iterdir()) == sorted(
        results_collect.PICTURES
    )
