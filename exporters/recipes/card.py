"""Write the pair's model card from its figures.

python -m recipes.card --out OUT --card MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

_TEXT: Final = Path(__file__).with_name("card.md")
_ROWS: Final = (
    ("names the thing asked for", "names_the_thing", "{:.1%}"),
    ("… known from training", "names_known_things", "{:.1%}"),
    ("… new", "names_new_things", "{:.1%}"),
    ("distinct-2", "distinct_2", "{:.3f}"),
    ("mean pairwise distance", "pairwise_distance", "{:.3f}"),
    ("ends by itself", "finished", "{:.1%}"),
    ("mean length, words", "mean_words", "{:.0f}"),
)


def main(arguments: list[str] | None = None) -> None:
    """Fill the card's text with the figures of OUT/figures.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="holds figures.json")
    parser.add_argument("--card", type=Path, required=True, help="the file to write")
    options = parser.parse_args(arguments)
    figures = json.loads((options.out / "figures.json").read_text(encoding="utf-8"))
    options.card.write_text(card(figures), encoding="utf-8")


def card(figures: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    text = _TEXT.read_text(encoding="utf-8")
    parts = {
        "PARAMETERS": f"{figures['base']['parameters'] / 1e6:.2f}",
        "STEPS": str(figures["steps"]),
        "HELD_OUT": held_out_table(figures),
        "ANSWERS": answers_table(figures),
        "REQUEST": figures["request"].format("…"),
        "BASE_SAMPLES": samples(figures["base"]["title"]),
        "ALIGNED_SAMPLES": samples(figures["aligned"]["chat"]),
    }
    for name, part in parts.items():
        text = text.replace("{" + name + "}", part)
    return text


def held_out_table(figures: dict[str, Any]) -> str:
    """Bits per byte and perplexity of both models."""
    lines = ["| | bits per byte | perplexity a token |", "|---|---|---|"]
    for name in ("base", "aligned"):
        found = figures[name]["held_out"]
        lines.append(f"| {name} | {found['bits_per_byte']:.4f} | {found['token_perplexity']:.2f} |")
    return "\n".join(lines)


def answers_table(figures: dict[str, Any]) -> str:
    """One column a model and context."""
    columns = [("aligned", "chat"), ("base", "title"), ("base", "question-answer"), ("base", "plain")]
    lines = [
        "| | " + " | ".join(f"{model}, {context}" for model, context in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for label, key, form in _ROWS:
        cells = [form.format(figures[model][context][key]) for model, context in columns]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def samples(figures: dict[str, Any]) -> str:
    """The samples as quotes, headed by what was asked for."""
    quotes = []
    for found in figures["samples"]:
        lines = found["text"].strip().split("\n")
        quotes.append(f"**{found['thing']}**\n\n" + "\n".join(f"> {line}".rstrip() for line in lines))
    return "\n\n".join(quotes)


if __name__ == "__main__":
    main()
