"""Takes from the folders of reported sweeps what docs/results/ shows: `collect` for results_page.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baco_core.bench.keep import keep
from baco_core.bench.machine import machine

RESULTS = Path(__file__).parent.parent / "docs" / "results"
PICTURES = ("overview", "coverage", "differences", "base-share")
BEHAVIOUR = ("base-share", "switches", "length", "ended", "repetition")
Summary = Mapping[str, Any]


def collect(name: str, folder: Path, took: str, results: Path = RESULTS) -> Summary:
    """Copy a sweep's pictures, and write and return what the page says of it, as docs/results/NAME.json.

    `took` says in words how long writing and measuring lasted.
    """
    report = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    summary = {
        "setup": _setup(report, manifest, took),
        "methods": _methods(report),
        "coverage": report["means"]["coverage"],
        "dominance": report["means"]["dominance"],
        "differences": report["differences"]["coverage"],
        "controls": report["controls"],
        "planes": _planes(report),
        "caveats": report["caveats"],
        "samples": _samples(folder, manifest),
    }
    (pictures := results / name).mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        shutil.copyfile(folder / "report" / f"{picture}.png", pictures / f"{picture}.png")
    keep(summary, results / f"{name}.json", indent=1)
    return summary


def _setup(report: Summary, manifest: Summary, took: str) -> dict[str, Any]:
    config = manifest["config"]
    return {
        "task": report["task"]["name"],
        "prompts": len(report["prompts"]),
        "n": report["n"],
        "settings": len(report["settings"]),
        "texts": len(report["settings"]) * manifest["task"]["prompts"] * report["n"],
        "max_new_tokens": config["decode"]["max_new_tokens"],
        "seed": report["seed"],
        "bundles": report["bundles"],
        "versions": report["versions"],
        "machine": str(machine()),
        "took": took,
    }


def _methods(report: Summary) -> dict[str, Any]:
    """Return of each method how many settings it has, and how it behaves over them: least to most."""
    found: dict[str, Any] = {}
    for setting in report["settings"]:
        own = found.setdefault(setting["method"], {"settings": 0, **{name: [] for name in BEHAVIOUR}})
        own["settings"] += 1
        for name in BEHAVIOUR:
            own[name].append(setting["means"][name]["value"])
    return {
        method: {
            "settings": own["settings"],
            **{name: [min(own[name]), max(own[name])] for name in BEHAVIOUR},
        }
        for method, own in found.items()
    }


def _planes(report: Summary) -> dict[str, list[str]]:
    """Return the metrics of diversity by metric of quality."""
    found: dict[str, list[str]] = {}
    for plane in report["planes"]:
        found.setdefault(plane["quality"], []).append(plane["diversity"])
    return found


def _samples(folder: Path, manifest: Summary) -> list[dict[str, Any]]:
    """Return the first text of the first prompt in the middle setting of each method."""
    middle: dict[str, list[str]] = {}
    for setting in manifest["settings"]:
        middle.setdefault(setting["method"], []).append(setting["id"])
    wanted = {(method, ids[len(ids) // 2]) for method, ids in middle.items()}
    lines = (folder / "generations.jsonl").read_text("utf-8").splitlines()
    texts = [one for one in map(json.loads, lines) if (one["method"], one["setting"]) in wanted]
    first = min(one["prompt"] for one in texts)
    chosen = [one for one in texts if one["prompt"] == first and one["index"] == 0]
    order = list(middle)
    return [
        {key: one[key] for key in ("method", "setting", "prompt", "text")}
        for one in sorted(chosen, key=lambda one: order.index(one["method"]))
    ]
