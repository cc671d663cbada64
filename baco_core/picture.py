"""Draws who wrote which word: an SVG that needs no font, script or other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from baco_core.events import Sample, TokenEvent
from baco_core.source import Source

COLUMNS = 84
CELL = 9.0
LINE = 26
MARGIN = 20
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

INK = "#1b1b1b"
PAPER = "#ffffff"
FILLS = {Source.BASE: "#ffd9a8", Source.ALIGNED: "#d5e8fb"}
LINES = {Source.BASE: "#b35300", Source.ALIGNED: "#0b5cad"}
"""Orange and blue stay apart for every kind of colour blindness; base is underlined as well."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one line that one source wrote."""

    line: int
    column: int
    text: str
    source: Source


def draw(sample: Sample, title: str = "") -> str:
    """Return one sample as SVG text: each source its colour, base underlined, the base share below."""
    pieces = list(lay_out(sample.tokens))
    lines = 1 + max((piece.line for piece in pieces), default=0)
    width = 2 * MARGIN + int(COLUMNS * CELL)
    height = 2 * MARGIN + (lines + 2 + bool(title)) * LINE
    body = [*_title(title), *(_piece(piece, top=bool(title)) for piece in pieces), _legend(sample, height)]
    return "\n".join([*_head(width, height, sample), *body, "</svg>", ""])


def lay_out(tokens: Sequence[TokenEvent]) -> Iterator[Piece]:
    """Break the text into lines of at most COLUMNS columns, at spaces where there are any."""
    line = column = 0
    for source, text in _runs(tokens):
        for word in _words(text):
            if word == "\n":
                line, column = line + 1, 0
                continue
            if column + len(word.rstrip(" ")) > COLUMNS:
                line, column, word = line + 1, 0, word.lstrip(" ")
            yield Piece(line, column, word, source)
            column += len(word)


def _runs(tokens: Sequence[TokenEvent]) -> Iterator[tuple[Source, str]]:
    for source, events in groupby(tokens, key=lambda event: event.source):
        yield source, "".join(event.text for event in events)


def _words(text: str) -> Iterator[str]:
    """Cut before each space and around each line break; a word longer than a line is cut too."""
    for index, paragraph in enumerate(text.replace("\t", "    ").split("\n")):
        if index:
            yield "\n"
        start = 0
        for end in range(1, len(paragraph) + 1):
            if end == len(paragraph) or paragraph[end] == " " or end - start == COLUMNS:
                yield paragraph[start:end]
                start = end


def _head(width: int, height: int, sample: Sample) -> list[str]:
    label = f"A text with {sample.usage.base_share:.0%} of its tokens by the base model"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{label}" '
        f'font-family="{escape(FONT, quote=True)}" font-size="15">',
        f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}" stroke="#d0d0d0"/>',
    ]


def _title(title: str) -> list[str]:
    if not title:
        return []
    return [f'<text x="{MARGIN}" y="{MARGIN + 14}" fill="#555" font-style="italic">{escape(title)}</text>']


def _piece(piece: Piece, *, top: bool) -> str:
    x = MARGIN + piece.column * CELL
    y = MARGIN + (piece.line + top) * LINE
    width = len(piece.text) * CELL
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{LINE - 4}" fill="{FILLS[piece.source]}"/>']
    if piece.source is Source.BASE:
        parts.append(
            f'<rect x="{x}" y="{y + LINE - 6}" width="{width}" height="2" fill="{LINES[piece.source]}"/>'
        )
    parts.append(
        f'<text x="{x}" y="{y + 16}" fill="{INK}" textLength="{width}" '
        f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{escape(piece.text)}</text>'
    )
    return "".join(parts)


def _legend(sample: Sample, height: int) -> str:
    y = height - MARGIN - LINE + 8
    share = sample.usage.base_share
    words = {Source.BASE: f"base {share:.0%}", Source.ALIGNED: f"aligned {1 - share:.0%}"}
    parts = []
    for index, source in enumerate(Source):
        x = MARGIN + index * 16 * CELL
        parts.append(f'<rect x="{x}" y="{y}" width="14" height="14" fill="{FILLS[source]}"/>')
        parts.append(f'<rect x="{x}" y="{y + 12}" width="14" height="2" fill="{LINES[source]}"/>')
        parts.append(f'<text x="{x + 22}" y="{y + 12}" fill="{LINES[source]}">{words[source]}</text>')
    return "".join(parts)
