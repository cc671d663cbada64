"""Resident memory by mapping, and by part of a pair."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from baco_core.bench import memory, weigh
from baco_core.bench.figures import NotMeasured
from baco_core.bench.machine import cores, machine
from baco_core.bench.memory import Resident, resident, resident_by_mapping
from baco_core.config import load_config
from baco_core.errors import ModelError
from baco_core.plugins import load_plugins

linux = pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from /proc")
LISTING = """\
55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]
Size:                132 kB
Rss:                  12 kB
Pss:                  10 kB
Pss_Dirty:             8 kB
7f0000000000-7f0000200000 r--s 00000000 fe:00 131                        /a folder/model.onnx.data
Rss:                2048 kB
Pss:                1024 kB
7f0000200000-7f0000300000 r--s 00200000 fe:00 131                        /a folder/model.onnx.data
Rss:                1024 kB
Pss:                1024 kB
7f0000300000-7f0000400000 rw-p 00000000 00:00 0
Rss:                   4 kB
Pss:                   4 kB
"""


def test_a_listing_is_summed_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = tmp_path / "smaps"
    listing.write_text(LISTING)
    monkeypatch.setattr(memory, "SMAPS", listing)
    assert resident_by_mapping() == {
        "[heap]": Resident(12 * 1024, 10 * 1024),
        "/a folder/model.onnx.data": Resident(3072 * 1024, 2048 * 1024),
        "[anonymous]": Resident(4 * 1024, 4 * 1024),
    }


@linux
def test_mappings_add_up_to_the_whole() -> None:
    whole, parts = resident(), resident_by_mapping()
    assert isinstance(whole, Resident)
    assert not isinstance(parts, NotMeasured)
    assert sum(part.rss for part in parts.values()) == pytest.approx(whole.rss, rel=0.05)


def test_another_system_says_that_it_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ROLLUP", tmp_path / "none")
    monkeypatch.setattr(memory, "SMAPS", tmp_path / "none")
    assert isinstance(resident(), NotMeasured)
    assert isinstance(resident_by_mapping(), NotMeasured)
    config = load_config(None)
    with pytest.raises(ModelError, match="which this system does not have"):
        weigh.weigh(config, load_plugins(config.plugins))


@linux
def test_the_parts_of_a_pair_add_up_to_what_is_resident() -> None:
    config = load_config(None)
    weight = weigh.weigh(config, load_plugins(config.plugins))
    names = [part.name for part in weight.parts]
    assert names == [weigh.LIBRARIES, "base model", "aligned model", weigh.TOKENIZERS, weigh.CACHE]
    assert sum(part.rss for part in weight.parts) == pytest.approx(weight.total.rss, rel=0.1)
    assert all(part.mapped <= part.rss for part in weight.parts if part.mapped)
    assert set(weight.models) == {"base", "aligned"}


@linux
def test_a_backend_that_does_not_tell_is_said_so(made: Callable[..., tuple[object, ...]]) -> None:
    config, plugins, _ = made()
    weight = weigh.weigh(config, plugins)  # type: ignore[arg-type]
    assert set(weight.models.values()) == {NotMeasured("the backend does not tell")}


def test_the_machine_is_told_in_words() -> None:
    here = machine()
    assert here.cores == cores() > 0
    assert f"{here.cores} core" in str(here)
    assert here.python in str(here)
