from __future__ import annotations

from pathlib import Path

import pytest

from baco_core.errors import ExportError
from baco_exporters.catalogue import catalogue, known_by_checksum, notice_of
from baco_exporters.sources import (
    FolderSource,
    GgufSource,
    HubSource,
    PackagedSource,
    WheelMember,
    parse_source,
)

CHECKSUM = "0" * 64


def test_a_folder_that_exists_is_a_folder(tmp_path: Path) -> None:
    assert parse_source(str(tmp_path)) == FolderSource(tmp_path)


def test_a_folder_wins_over_a_hub_id_that_looks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert parse_source("org/name") == FolderSource(Path("org/name"))


def test_a_gguf_file_is_a_gguf_file(tmp_path: Path) -> None:
    file = tmp_path / "model.GGUF"
    file.touch()
    assert parse_source(str(file)) == GgufSource(file)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("org/name", HubSource("org/name")),
        ("org/name@main", HubSource("org/name", "main")),
        ("a-b.c/d_e@refs/pr/1", HubSource("a-b.c/d_e", "refs/pr/1")),
        ("pypi:a==1#x/y", PackagedSource((WheelMember("a", "1", "x/y"),))),
        (f"pypi:a==1#x|sha256={CHECKSUM}", PackagedSource((WheelMember("a", "1", "x"),), CHECKSUM)),
        (
            "pypi:a==1#x.part*|b-c==2.0.post1#y",
            PackagedSource((WheelMember("a", "1", "x.part*"), WheelMember("b-c", "2.0.post1", "y"))),
        ),
    ],
)
def test_what_a_source_means(text: str, source: object) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    "text", ["org/name", "org/name@v1", "pypi:a==1#x", f"pypi:a==1#x|b==2#y/*|sha256={CHECKSUM}"]
)
def test_a_source_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_source(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing-here", "no such folder"),
        ("./org/name", "no such folder"),
        ("smollm2-135m-instrut", "Did you mean 'smollm2-135m-instruct'?"),
        ("missing.gguf", "there is no such GGUF file"),
        ("pypi:a#x", "neither PACKAGE==VERSION#member nor sha256="),
        ("pypi:a==1", "neither PACKAGE==VERSION#member nor sha256="),
        ("pypi:--evil==1#x", "neither PACKAGE==VERSION#member nor sha256="),
        ("pypi:a==1#x|sha256=abc", "neither PACKAGE==VERSION#member nor sha256="),
        (f"pypi:sha256={CHECKSUM}", "write pypi:PACKAGE==VERSION#member"),
        (f"pypi:a==1#x|sha256={CHECKSUM}|sha256={CHECKSUM}", "write pypi:PACKAGE==VERSION#member"),
        ("pypi:a==1#../../etc/passwd", "leaves the wheel"),
        ("pypi:a==1#/etc/passwd", "leaves the wheel"),
        ("pypi:a==1#x\\..\\y", "leaves the wheel"),
    ],
)
def test_a_source_that_means_nothing_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ExportError) as refused:
        parse_source(text)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_known_model_is_a_packaged_source_with_its_checksum() -> None:
    for name, known in catalogue().items():
        source = parse_source(name)
        assert isinstance(source, PackagedSource), name
        assert source.sha256 == known.sha256, name
        assert known_by_checksum(known.sha256) is known
        assert all(isinstance(parse_source(licence), PackagedSource) for licence in known.licences)
        assert known.notice


def test_licences_that_ask_for_a_notice_get_one() -> None:
    assert "ai.google.dev/gemma/terms" in str(notice_of("gemma"))
    assert notice_of("apache-2.0") is None
    assert notice_of(None) is None
