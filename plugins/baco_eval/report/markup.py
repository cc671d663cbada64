"""Pieces of a page. What is handed in as text is escaped here; what is handed in as HTML says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from baco_eval.intervals import Interval
from baco_eval.report.figure import Picture
from baco_eval.report.number import number


def cell(one: Interval | None, otherwise: str = "not measured") -> str:
    """Return a value with its interval below, as HTML."""
    if one is None:
        return f"<small>{escape(otherwise)}</small>"
    return f"{number(one.value)}<small>{number(one.low)} to {number(one.high)}</small>"


def share(one: Interval, *, signed: bool = False) -> str:
    """Return a share or a difference of shares in three decimals, with its interval below, as HTML."""
    shown = [
        f"{value:{'+' if signed else ''}.3f}".replace("-", "−") for value in (one.value, one.low, one.high)
    ]
    return f"{shown[0]}<small>{shown[1]} to {shown[2]}</small>"


def table(caption: str, head: Iterable[str], rows: Iterable[Sequence[str]], *, text: bool = False) -> str:
    """Return a table of HTML cells below a head of text; the first cell of a row names it."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
    kind = ' class="text"' if text else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide"><table{kind}>{title}<thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def abreast(tables: Iterable[str]) -> str:
    """Return tables side by side, as many as there is room for."""
    return '<div class="abreast">' + "".join(tables) + "</div>"


def folded(summary: str, inside: str, *, unfolded: bool = False) -> str:
    """Return HTML that a reader can unfold."""
    state = " open" if unfolded else ""
    return f"<details{state}><summary>{escape(summary)}</summary>{inside}</details>"


def bullets(items: Iterable[str]) -> str:
    """Return a list of texts."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def figure(picture: Picture) -> str:
    """Return a picture and how to read it."""
    return f"<figure>{picture.svg}<figcaption>{escape(picture.caption)}</figcaption></figure>"


def section(name: str, title: str, parts: Iterable[str]) -> str:
    """Return a section of HTML parts."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>\n' + "\n".join(parts) + "\n</section>"


def _row(row: Sequence[str]) -> str:
    first, *others = row
    return f'<th scope="row">{first}</th>' + "".join(f"<td>{item}</td>" for item in others)
