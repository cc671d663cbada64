"""A page to rate on: one HTML file that asks no host for anything, and in which no text is markup.

It is whole without its script: on paper, and where scripts are off. The script shows an item at a time,
keeps the answers in the browser and saves them to a file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from baco_eval.annotate.key import NO_PREFERENCE, SCALES


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as it is shown: by letter the texts of a set."""

    id: str
    prompt: str
    sets: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Scale:
    """A question with marks 1 to 5; `marks` says what each means, `ends` what 1 and 5 are in short."""

    title: str
    question: str
    marks: tuple[str, str, str, str, str]
    ends: tuple[str, str]
    hint: str


WORDING = {
    "diversity": Scale(
        "Diversity",
        "How different are the texts of this set from each other?",
        (
            "The same text again and again, but for a few words.",
            "One idea; details or wording differ.",
            "Some ideas differ; much is repeated.",
            "Most texts have an idea of their own.",
            "Every text has an idea of its own and tells it in its own way.",
        ),
        ("all alike", "all different"),
        "Compare the texts within the set. Whether they are good does not count here.",
    ),
    "quality": Scale(
        "Quality",
        "How well are the texts written, and do they do what the prompt asks for?",
        (
            "Hardly readable, or beside the prompt.",
            "Many faults, or only part of what is asked for.",
            "Understandable and to the prompt, with clear faults.",
            "Well written, with small faults.",
            "Very well written; nothing to mend.",
        ),
        ("poor", "very good"),
        "Judge the set's typical text, neither its best nor its worst.",
    ),
    "creativity": Scale(
        "Creativity",
        "How original and surprising are the texts, in a way that suits the prompt?",
        (
            "Only what anybody would expect.",
            "Nearly all is expected.",
            "An idea of its own now and then.",
            "Often original.",
            "Original and surprising throughout, and it suits the prompt.",
        ),
        ("expected", "original"),
        "What makes no sense is not creative because of that.",
    ),
}
PREFERENCE = "Which set would you rather be given for this prompt?"
INTRODUCTION = (
    "You will see prompts, and beside each other sets of texts that language models wrote for them. Read "
    "the texts of each set, rate the set on three scales from 1 to 5, and say which set you would rather be "
    "given.",
    "There is no right answer: what counts is how the texts strike you. Sets come in a random order; set A "
    "is not the same writer each time. Texts have a length limit, so one may stop in the middle: that is no "
    "fault. Use the whole scale, and rate each set for itself.",
    "With the keyboard: Tab goes to the next question, the keys 1 to 5 (or a letter of a set, or 0 for no "
    "preference) answer it and go on, Enter goes on without an answer.",
    "Answers are kept in this browser, on this computer. When you are done, download the file with your "
    "ratings and send it to whoever gave you this page. Nothing is sent by itself.",
)
ON_PAPER = "On paper: cross one mark in each row. The item numbers are those of the page on a screen."
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def page(export: str, rater: str, items: Sequence[Shown]) -> str:
    """Return the page of one rater. It must be told nothing of who wrote what, so it can't tell."""
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"{POLICY}; script-src 'sha256-{digest}'"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>Rating texts: rater {escape(rater)}</title><style>{style}</style></head>",
        f'<body data-export="{escape(export)}" data-rater="{escape(rater)}">',
        f"<header><h1>Rating texts</h1><p>Rater {escape(rater)}, {len(items)} items</p></header>",
        '<noscript><p class="note">Scripts are off in this browser: the page can be printed and filled on '
        "paper, but your answers can't be saved.</p></noscript>",
        "<main>",
        *_guide(),
        '<form id="ratings" autocomplete="off">',
        *(line for number, item in enumerate(items, 1) for line in _item(item, number, len(items), rater)),
        "</form>",
        *_finish(),
        "</main>",
        *_bar(len(items)),
        f"<script>{script}</script></body></html>\n",
    ]
    return "\n".join(parts)


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _guide() -> Iterator[str]:
    yield '<details id="guide" open><summary>How to rate</summary>'
    yield from (f"<p>{escape(line)}</p>" for line in INTRODUCTION)
    yield f'<p class="paper">{escape(ON_PAPER)}</p>'
    yield '<div class="anchors">'
    for scale in WORDING.values():
        yield f"<section><h2>{scale.title}</h2>"
        yield f"<p>{escape(scale.question)} <em>{escape(scale.hint)}</em></p><ol>"
        yield from (f"<li>{escape(mark)}</li>" for mark in scale.marks)
        yield "</ol></section>"
    yield "</div></details>"


def _item(item: Shown, number: int, of: int, rater: str) -> Iterator[str]:
    yield f'<section class="item" data-item="{item.id}" aria-labelledby="head-{number}">'
    yield (
        f'<h2 id="head-{number}" tabindex="-1">Item {number} of {of}'
        f'<small class="paper"> rater {escape(rater)}, {item.id[:8]}</small></h2>'
    )
    yield f'<div class="prompt"><h3>Prompt</h3><div class="text" dir="auto">{_text(item.prompt)}</div></div>'
    yield f'<div class="sets" data-columns="{len(item.sets)}">'
    for letter, texts in item.sets.items():
        yield f'<section class="set" aria-label="Set {letter}"><div class="texts"><h3>Set {letter}</h3><ol>'
        yield from (f'<li><div class="text" dir="auto">{_text(text)}</div></li>' for text in texts)
        yield '</ol></div><div class="scales">'
        yield from (_scale(name, item.id, letter) for name in SCALES)
        yield "</div></section>"
    yield "</div>"
    yield _preference(item)
    yield "</section>"


def _text(text: str) -> str:
    """Return a text as HTML, without blank lines around it; what a page can't hold is a mark of its own."""
    shown = _BLANK_LINES.sub("", text.replace("\r\n", "\n")).rstrip()
    if not shown:
        return "<i>(empty text)</i>"
    return escape(_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", shown))


def _scale(name: str, item: str, letter: str) -> str:
    scale = WORDING[name]
    marks = "".join(
        f'<label><input type="radio" name="{item}.{letter}.{name}" value="{mark}" data-key="{mark}" '
        f'data-means="{escape(meaning)}"><span>{mark}<span class="unseen">: {escape(meaning)}</span></span>'
        "</label>"
        for mark, meaning in enumerate(scale.marks, 1)
    )
    low, high = scale.ends
    return (
        f'<fieldset class="scale"><legend>{scale.title}<span class="unseen"> of set {letter}</span></legend>'
        f'<div class="marks"><span class="end" aria-hidden="true">{low}</span>{marks}'
        f'<span class="end" aria-hidden="true">{high}</span></div>'
        '<p class="means" aria-hidden="true"></p></fieldset>'
    )


def _preference(item: Shown) -> str:
    offered = {**{letter: f"Set {letter}" for letter in item.sets}, NO_PREFERENCE: "No preference"}
    choices = "".join(
        f'<label><input type="radio" name="{item.id}.preference" value="{value}" '
        f'data-key="{"0" if value == NO_PREFERENCE else value.lower()}"><span>{label}</span></label>'
        for value, label in offered.items()
    )
    legend = f"<legend>{PREFERENCE}</legend>"
    return f'<fieldset class="preference">{legend}<div class="marks">{choices}</div></fieldset>'


def _finish() -> Iterator[str]:
    yield '<section id="finish" class="screen" aria-labelledby="end" hidden>'
    yield '<h2 id="end" tabindex="-1">The end</h2>'
    yield '<p id="told"></p><ul id="open"></ul>'
    yield '<p><button type="button" class="download strong">Download the ratings</button></p>'
    yield "<p>Then send the file to whoever gave you this page. You can come back and change answers.</p>"
    yield '<p><button type="button" id="forget">Delete my answers from this browser</button></p></section>'


def _bar(count: int) -> Iterator[str]:
    yield '<nav class="bar screen" aria-label="Items"><button type="button" id="back">Back</button>'
    yield f'<label class="progress"><span id="progress">0 of {count} items done</span>'
    yield f'<progress max="{count}" value="0"></progress></label>'
    yield '<button type="button" class="download">Download</button>'
    yield '<button type="button" id="next" class="strong">Next</button>'
    yield '<p id="status" role="status"></p></nav>'
