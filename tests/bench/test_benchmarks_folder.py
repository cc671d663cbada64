"""The comparison with peers: its page, its protocol, its contests. Nothing is measured here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
VALUE = {"median": 10.0, "lower": 9.0, "upper": 11.0, "count": 3}
SECTION = {
    "section": "single",
    "machine": "2 cores of a CPU",
    "date": "2026-01-01",
    "seconds": 3,
    "quick": False,
    "rounds": 3,
    "title": "One model alone",
    "how": "Greedy.",
    "rows": [{"name": "ours & theirs", "ms_per_token": VALUE, "outside_share": {"not_measured": "why"}}],
    "bars": [{"what": "a / b", "bar": 12, "aim": 9.5, "least": True, "value": VALUE}],
    "notes": ["A note."],
    "runs": {"ours": [{"ms_per_token": 10.123456789}]},
}


def test_the_page_and_the_plot_are_made_of_the_summary(benchmarks: Path) -> None:
    import page

    summary = json.loads(page.SUMMARY.read_text("utf-8"))
    for path, text in page.written(summary):
        assert path.read_text("utf-8") == text, f"run: python benchmarks/page.py ({path.name} is out of date)"


def test_the_summary_is_small() -> None:
    if not (path := DOCS / "benchmarks.json").exists():
        pytest.skip("docs/ does not come with the wheel")
    assert path.stat().st_size < 50_000


def test_results_become_rows_bars_and_a_plot(benchmarks: Path, tmp_path: Path) -> None:
    import collect
    import page

    results = tmp_path / "results"
    results.mkdir()
    (results / "single.json").write_text(json.dumps(SECTION))
    case = {"router": "p", "options": "{}", "schedule": "lazy", "against": "plain", "prompt": 0, "seed": 0}
    record = {
        "bundle": "b",
        "length": 4,
        "n": 1,
        "case": case,
        "tokens": 4,
        "mismatches": 0,
        "position": None,
    }
    (results / "exactness-b.jsonl").write_text(f"{json.dumps(record)}\n" * 2)
    summary = collect.collect(results, tmp_path / "summary.json")
    assert "runs" not in json.loads((tmp_path / "summary.json").read_text())["sections"][0]
    text = page.page(summary)
    assert "| ours & theirs | 10.00 (9.00 to 11.00) | – |" in text
    assert "| a / b | ≥ 12 | ≥ 9.5 | 10.000 (9.000 to 11.000) | aim |" in text
    assert "| b | lazy, 1 together | 2 | 8 | 0 |" in text
    assert "ours &amp; theirs" in page.picture(summary)


@pytest.mark.parametrize(
    ("median", "least", "verdict"),
    [
        (0.9, False, "aim"),
        (1.1, False, "bar"),
        (1.3, False, "missed"),
        (5.0, True, "aim"),
        (0.5, True, "missed"),
    ],
)
def test_a_bar_is_reached_from_its_side(benchmarks: Path, median: float, least: bool, verdict: str) -> None:
    import page

    limits = {"bar": 3.0, "aim": 4.0} if least else {"bar": 1.15, "aim": 1.0}
    assert page._verdict({**limits, "least": least, "value": {"median": median}}) == verdict


def test_what_was_measured_before_stays_in_the_summary(benchmarks: Path, tmp_path: Path) -> None:
    import collect

    summary = tmp_path / "summary.json"
    for section in ("pair", "single"):
        (results := tmp_path / section).mkdir()
        (results / f"{section}.json").write_text(json.dumps({**SECTION, "section": section}))
        found = collect.collect(results, summary)
    assert [one["section"] for one in found["sections"]] == ["single", "pair"]


def test_contestants_run_in_turn_and_are_compared_round_by_round(benchmarks: Path) -> None:
    from contest import Contest, Contestant

    order: list[str] = []

    def slow(number: int) -> dict[str, Any]:
        order.append("slow")
        return {"ids": [1] * 11, "decode_seconds": 0.2 * (number + 1)}

    def quick(number: int) -> dict[str, Any]:
        order.append("quick")
        return {"ms_per_token": 10.0 * (number + 1), "base_share": 0.5}

    contest = Contest([Contestant("slow", slow), Contestant("quick", quick)], 3).work()
    assert order == ["slow", "quick", "slow", "quick", "quick", "slow", "quick", "slow"]
    assert contest.ratio("slow", "quick") == {"median": 2.0, "lower": 2.0, "upper": 2.0, "count": 3}
    assert contest.ratio("slow", ["slow", "quick"])["median"] == pytest.approx(2 / 3)
    assert contest.row("slow", ["base_share"])["base_share"] == {"not_measured": "a run wrote too little"}


def test_a_contestant_that_cannot_run_is_named_and_left_out(benchmarks: Path) -> None:
    from contest import Contest, Contestant
    from worker import WorkerError

    def fails(number: int) -> dict[str, Any]:
        raise WorkerError("rows are not exact")

    able = Contestant("able", lambda number: {"ms_per_token": 1.0})
    contest = Contest([able, Contestant("unable", fails)], 2).work()
    assert contest.notes == ["unable was not measured: rows are not exact"]
    assert [row["name"] for row in contest.rows("ms_per_token")] == ["able"]
    assert contest.ratio("unable", "able") == {"not_measured": "rows are not exact"}


def test_a_process_answers_requests_and_tells_what_fails(benchmarks: Path) -> None:
    handlers, opening = "{'double': lambda x: {'y': 2 * x}}", "lambda: {'name': print('noise')}"
    code = f"import protocol; protocol.serve({handlers}, {opening})"
    requests = [{"op": "double", "x": 4}, {"op": "double"}, {"op": "none"}]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=benchmarks / "peers",
        input="".join(json.dumps(request) + "\n" for request in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    first, second, third, fourth = map(json.loads, done.stdout.splitlines())
    assert first == {"ready": {"name": None}}
    assert second == {"y": 8}
    assert "missing 1 required positional argument" in third["error"]
    assert fourth == {"error": "KeyError: 'none'"}
    assert "noise" in done.stderr


def test_gammas_are_read_off_the_shares_that_were_measured(benchmarks: Path, tmp_path: Path) -> None:
    from gammas import calibrated

    class Half:
        """Writes by the base with probability gamma / 2."""

        def ask(self, op: str, **request: Any) -> dict[str, Any]:
            gamma = float(request["settings"][0].rpartition("gamma: ")[2].rstrip("}"))
            count = round(1000 * gamma / 2)
            return {"sources": ["base"] * count + ["aligned"] * (1000 - count), "tokens": 1000}

    known = tmp_path / "gammas.json"
    assert calibrated(Half(), "c.yaml", [], [0.05, 0.2], 128, known) == {0.05: 0.1, 0.2: 0.4}
    assert calibrated(None, "c.yaml", [], [0.3], 128, known) == {0.3: 0.6}  # nothing is written again


def test_a_comparison_goes_on_where_it_was_cut_off(
    benchmarks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import exactness

    out = tmp_path / "out.jsonl"
    few = ["--prompts", "1", "--seeds", "1", "--tokens", "6", "--routers", "p", "--schedules", "lazy"]
    monkeypatch.setattr(sys, "argv", ["exactness.py", *few, "--out", str(out)])
    assert exactness.main() == 0
    lines = out.read_text().splitlines()
    assert len(lines) == 1 + len(exactness.END_POINTS)
    out.write_text("\n".join([*lines[:5], lines[5][:20]]))  # cut off in the middle of a line
    assert exactness.main() == 0
    again = [line for line in out.read_text().splitlines() if line.endswith("}")]
    assert sorted(again) == sorted(lines)
    assert exactness.main() == 0
    assert len(out.read_text().splitlines()) == len(lines) + 1
    counts = json.loads(capsys.readouterr().out.rpartition("\n{\n")[2].join(["{", ""]))
    assert counts["lazy = plain"]["p"]["mismatches"] == 0


def test_a_difference_is_told_with_router_prompt_seed_and_position(benchmarks: Path) -> None:
    from exactness import Case, Judge

    class Planted(Judge):
        """Writes one token otherwise under `lazy`."""

        def __init__(self) -> None:
            self._reference = self.texts

        def texts(self, case: Case) -> Any:
            return (((1, "base"), (2 if case.schedule == "plain" else 3, "base"), (4, "aligned")),)

    verdict = Planted().verdict(Case("p", "{}", "lazy", "plain", 1, 9))
    assert (verdict.mismatches, verdict.position) == (1, (0, 1))
    for part in ("router p", "'Why is the sky blue?'", "seed 9", "position 1"):
        assert part in verdict.told()
