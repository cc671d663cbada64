/** What stands where the texts will be. */

import { el } from "./dom.js";

const EXAMPLES = [
  "Tell me a story about a lighthouse.",
  "Tell me a story about a cat who could not sleep.",
  "Tell me a story about a boat and the moon.",
];

/** Return the empty state; `onpick` is called with an example. */
export function welcome(onpick) {
  const word = (source, text) => el("span", { className: `word ${source}` }, text);
  const lead = el(
    "p",
    { className: "lead" },
    "Two models write one text. ",
    word("base", "Words like these are by the base model: it surprises"),
    word("aligned", ", and words like these are by the aligned one, which does as it is told"),
    ". A router decides at each word who speaks, and the knob says how often it lets the base model.",
  );
  const buttons = EXAMPLES.map((text) => el("button", { type: "button", onclick: () => onpick(text) }, text));
  return el(
    "div",
    { className: "welcome" },
    lead,
    el("p", {}, "Write something, then turn gamma and see how far apart the samples get. Point at a word, or move to it with the arrow keys, to see why it is whose."),
    el("div", { className: "examples", role: "group", ariaLabel: "Examples" }, ...buttons),
  );
}
