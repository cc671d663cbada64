from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baco_core.errors import ExportError
from baco_exporters.gguf_file import read_gguf
from tests.exporters.made_gguf import write_gguf

VALUES: dict[str, object] = {
    "a__text": "tränen",
    "a__flag": True,
    "a__count": 7,
    "a__half": 0.5,
    "a__texts": ["x", "", "▁y"],
    "a__counts": [1, 2, 3],
    "a__halves": [0.5, -1.5],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "model.gguf", **VALUES)


def test_metadata_is_read_as_it_was_written(file: Path) -> None:
    read = read_gguf(file)
    assert read.architecture == "llama"
    assert read.text("a.text") == "tränen"
    assert read.flag("a.flag", default=False)
    assert read.integer("a.count") == 7
    assert read.texts("a.texts") == ["x", "", "▁y"]
    assert read.integers("a.counts") == [1, 2, 3]
    assert read.numbers("a.halves") == [0.5, -1.5]


def test_what_is_absent_is_none_or_the_default(file: Path) -> None:
    read = read_gguf(file)
    assert read.text("no") is None
    assert read.integer("no") is None
    assert read.flag("no", default=True)


def test_a_list_that_is_needed_is_named_when_it_is_absent(file: Path) -> None:
    with pytest.raises(ExportError, match=r"no 'tokenizer.ggml.tokens'"):
        read_gguf(file).texts("tokenizer.ggml.tokens")


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (lambda read: read.text("a.count"), "is not a string"),
        (lambda read: read.integer("a.flag"), "is not a whole number"),
        (lambda read: read.flag("a.text", default=True), "is not true or false"),
        (lambda read: read.texts("a.text"), "is not a list"),
    ],
)
def test_a_value_of_another_type_is_named(file: Path, ask: object, wanted: str) -> None:
    assert callable(ask)
    with pytest.raises(ExportError, match=wanted):
        ask(read_gguf(file))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot read the GGUF file"):
        read_gguf(tmp_path / "no.gguf")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "damaged or cut short"),
        (b"PK\3\4 something else", "not a GGUF file"),
        (b"GGUF\x09\0\0\0" + bytes(16), "GGUF version 9 is unknown"),
        (b"GGUF\3\0\0\0" + bytes(8) + b"\1" + bytes(7) + bytes(8) + b"\x63\0\0\0", "value type 99"),
        (b"GGUF\3\0\0\0" + bytes(8) + b"\1" + bytes(7) + b"\xff" * 8, "damaged or cut short"),
    ],
)
def test_what_is_not_gguf_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=reason) as refused:
        read_gguf(path)
    assert "\n" not in str(refused.value)


@given(st.data())
def test_a_file_cut_inside_its_metadata_is_refused(file: Path, data: st.DataObject) -> None:
    whole = file.read_bytes()
    end_of_metadata = whole.index(b"a.halves") + 8 + 4 + 4 + 8 + 8
    short = file.with_name("short.gguf")
    short.write_bytes(whole[: data.draw(st.integers(0, end_of_metadata - 1))])
    with pytest.raises(ExportError):
        read_gguf(short)
