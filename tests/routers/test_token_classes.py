from __future__ import annotations

import unicodedata
from importlib.resources import files

import pytest

from baco_routers import options, token_classes
from baco_routers.token_classes import Formatting, FunctionWords, TokenClass, belongs, languages

DATA = sorted((files("baco_routers") / "classes").iterdir(), key=lambda entry: entry.name)


def holds(token_class: TokenClass, piece: str | bytes, text: str = "The cat") -> bool:
    return belongs(token_class, piece.encode() if isinstance(piece, str) else piece, text)


@pytest.mark.parametrize(
    "piece",
    [
        *(".", ",", " ,", "...", '"', " “", "’", "—", "¿", "。", "」", "!!", "?\n", " (", "[", "_", "'"),
        *("\n", "\n\n", " \n", "\r\n", "\t", "  ", "        "),
        *("*", " **", "#", "###", " -", "+", ">", " >", "`", "```", "|", " | ", "---", "~~", "==", "•", " ◦"),
        *("1.", " 2)", "10.\n", "<br>", " </p>", b"\xe2\x80", b" \xe2\x80"),
    ],
)
def test_punctuation_and_formatting_are_recognised(piece: str | bytes) -> None:
    assert holds(Formatting(), piece)


@pytest.mark.parametrize(
    "piece",
    [
        *(" ", "", "a", " the", "'s", "n't", "7", " 1984", "x.", ".com", "$", "€", "🙂", "é", "日", "1234."),
        *("<div", b"\xe2", b"\xf0\x9f"),
    ],
)
def test_everything_else_is_not(piece: str | bytes) -> None:
    assert not holds(Formatting(), piece)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Buy:\n", True), ("Buy:\n  ", True), ("Buy ", False), ("", False), ("on\n page ", False)],
)
def test_a_number_begins_a_list_at_the_start_of_a_line_only(text: str, expected: bool) -> None:
    assert holds(Formatting(), "2", text) is expected
    assert not holds(Formatting(), "1984", text)


@pytest.mark.parametrize(
    "piece",
    [" the", " The", " THE", " of", " and", " she", " would", " not", " don", "'s", "’s", "n't", "'t", "'LL"],
)
def test_function_words_are_recognised_after_a_blank_and_clitics_as_they_stand(piece: str) -> None:
    assert holds(FunctionWords(), piece)


@pytest.mark.parametrize(
    "piece",
    ["'", " ’", " cat", " lighthouse", " ran", " very", ".", "\n", " ", "", " two", b" th\xc3", " in,"],
)
def test_other_words_are_not_function_words(piece: str | bytes) -> None:
    assert not holds(FunctionWords(), piece)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("Berl", False), ("3", False), ("don'", False), ("snake_", False)),
        *(("", True), ("end.\n", True), ("“", True), ("well-", True), ("a ", True)),
    ],
)
def test_without_a_blank_a_function_word_counts_where_a_word_starts(text: str, expected: bool) -> None:
    assert holds(FunctionWords(), "in", text) is expected


@pytest.mark.parametrize(
    ("language", "word", "other"),
    [("en", " where", " Hund"), ("de", " für", " Hund"), ("fr", " à", " chien"), ("es", " según", " perro")],
)
def test_each_language_has_its_own_words(language: str, word: str, other: str) -> None:
    assert holds(FunctionWords(language), word)
    assert holds(FunctionWords(language), word.upper())
    assert not holds(FunctionWords(language), other)
    assert [name for name in languages() if holds(FunctionWords(name), word)] == [language]


def test_further_words_join_the_class() -> None:
    assert not holds(FunctionWords(), " Whence-so")
    assert holds(FunctionWords(words=("whence-so",)), " Whence-so")


def test_french_elisions_count_however_they_are_cut() -> None:
    assert all(holds(FunctionWords("fr"), piece) for piece in (" l'", " l’", " l", " qu'", " jusqu'"))


def test_the_option_names_every_language_there_is() -> None:
    assert f"({', '.join(languages())})" in options.Language.__metadata__[0].description


def test_what_writes_nothing_belongs_nowhere() -> None:
    assert not holds(Formatting(), "", "")
    assert not holds(FunctionWords(), "", "")


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.name)
def test_each_list_names_its_source_and_has_no_entry_twice(file: object) -> None:
    text = file.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert "# Source: " in text.partition("\n\n")[0]
    entries = list(token_classes._entries(file.name))  # type: ignore[attr-defined]
    assert entries
    assert len(set(entries)) == len(entries)
    assert all(entry == unicodedata.normalize("NFC", entry.strip()) for entry in entries)


@pytest.mark.parametrize("language", languages())
def test_function_words_are_listed_as_they_are_compared(language: str) -> None:
    words = list(token_classes._entries(f"words-{language}.txt"))
    assert 250 < len(words) < 600
    assert all(word == word.lower() and "’" not in word and " " not in word for word in words)
