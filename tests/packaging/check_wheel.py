"""Check a built wheel: exactly our packages, typed, small, with licence and embedded pair."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGES = {
    "baco_core",
    "baco_eval",
    "baco_exporters",
    "baco_onnxruntime",
    "baco_routers",
    "baco_samplers",
    "baco_server",
    "baco_tiny",
}
MOST_BYTES = 14_000_000


def main(wheel: Path) -> int:
    """Return 0 when the wheel is right; say what is wrong otherwise."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    faults = [f"packages are {sorted(tops)}, not {sorted(PACKAGES)}"] if tops != PACKAGES else []
    faults += [f"{name}/py.typed is missing" for name in PACKAGES if f"{name}/py.typed" not in names]
    faults += [
        f"{part} is missing" for part in ("LICENSE", "NOTICE") if not any(n.endswith(part) for n in names)
    ]
    if "baco_tiny/bundle/baco.json" not in names:
        faults.append("the embedded pair is missing")
    if wheel.stat().st_size > MOST_BYTES:
        faults.append(f"{wheel.stat().st_size} bytes are more than {MOST_BYTES}")
    for fault in faults:
        print(f"{wheel.name}: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
