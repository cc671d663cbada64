/** One sample on the page: its text as it grows, its base share, how it ended. */

import { copy } from "./clipboard.js";
import { el } from "./dom.js";

const ENDINGS = {
  stop: ["ended by itself", "finish_reason: stop"],
  length: ["at the token limit", "finish_reason: length"],
  stopped: ["stopped by you", "the request was cancelled"],
  cut: ["cut off", "the server sent no more of it"],
};

/** Words of elements, for the inspector. */
const wordOf = new WeakMap();
export const wordAt = (span) => wordOf.get(span) ?? null;

/** Shows a sample; `update()` takes over what has come. `onchoose`: the text can go on (a conversation). */
export class Card {
  constructor(sample, { onchoose = null, picked = false } = {}) {
    this.sample = sample;
    this.spans = [];
    this.begun = false; // whether anything can be seen yet
    this.share = el("span", {}, "");
    this.bar = el("div", { className: "bar", ariaHidden: "true" }, el("i"));
    this.text = el("p", { className: "text open" });
    this.ending = el("span");
    this.node = el("article", { className: "card", ariaLabel: `Sample ${sample.index + 1}` }, this.head(), this.text, this.foot(onchoose, picked));
    this.node.classList.toggle("picked", Boolean(onchoose) && picked);
  }

  head() {
    return el("header", {}, el("h3", {}, `Sample ${this.sample.index + 1}`), this.bar, this.share);
  }

  foot(onchoose, picked) {
    const button = el("button", { type: "button", className: "quiet" }, "Copy");
    button.setAttribute("aria-label", `Copy sample ${this.sample.index + 1}`);
    button.addEventListener("click", async () => say(button, (await copy(this.sample.text)) ? "Copied" : "Copy"));
    return el("footer", {}, onchoose ? this.choice(onchoose, picked) : null, this.ending, button);
  }

  choice(onchoose, picked) {
    const radio = el("input", { type: "radio", name: "chosen", checked: picked, onchange: () => onchoose(this.sample.index) });
    return el("label", { className: "chosen" }, radio, "Go on with this one");
  }

  update() {
    const { words, share, finish } = this.sample;
    const from = Math.max(0, this.spans.length - 1); // the last word may have grown
    words.slice(from).forEach((word, index) => this.write(word, from + index));
    if (share !== null) this.show(share);
    this.text.classList.toggle("open", finish === null);
    this.text.ariaBusy = finish === null ? "true" : null;
    if (finish !== null) this.end(finish);
  }

  write(word, index) {
    const [lead] = word.text.match(/^\s*/u);
    const span = (this.spans[index] ??= this.make(word, lead, this.sample.words[index - 1]));
    const text = word.text.slice(lead.length);
    if (span.textContent !== text) span.textContent = text;
  }

  /** Space is coloured between words of one author only: no line ends in a lone stripe. None stands before the text. */
  make(word, lead, before) {
    const joins = before?.source === word.source && !lead.includes("\n");
    if (lead && this.begun) this.text.append(joins ? el("span", { className: `gap ${word.source}` }, lead) : lead);
    const isBare = word.text.length === lead.length; // a line break and no more: nothing to point at
    const span = el("span", isBare ? {} : { className: `word ${word.source ?? ""}` });
    if (!isBare) span.tabIndex = this.begun ? -1 : 0; // one tab stop a text
    this.begun ||= !isBare;
    wordOf.set(span, word);
    this.text.append(span);
    return span;
  }

  show(share) {
    this.share.textContent = `${Math.round(100 * share)}% base`;
    this.bar.classList.add("known");
    this.bar.firstChild.style.setProperty("--share", 100 * share);
  }

  end(finish) {
    const [text, title] = ENDINGS[finish] ?? [finish, `finish_reason: ${finish}`];
    const { tokens } = this.sample;
    this.ending.textContent = `${tokens} token${tokens === 1 ? "" : "s"}, ${text}`;
    this.ending.title = title;
    this.ending.className = finish === "cut" ? "failed" : "";
    if (!this.begun) this.text.replaceChildren(el("span", { className: "hint" }, "No words.")); // or it looks broken
  }
}

/** Let a button say what it did, for a moment. */
export function say(button, text) {
  const before = button.textContent;
  if (before === text) return;
  button.textContent = text;
  setTimeout(() => (button.textContent = before), 1500);
}
