/** Why a word is whose: what the router measured, and what both models would have said. */

import { byId, el } from "./dom.js";
import { shown } from "./number.js";

const DELAY = 120; // milliseconds: calm under a moving mouse, and time to reach the inspector

/** Watches a place for words under the mouse or with the focus. `find(span)` returns the word of an element. */
export class Inspector {
  constructor(place, find) {
    this.box = byId("inspector");
    this.find = find;
    place.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.aim(event.target));
    place.addEventListener("pointerout", (event) => event.pointerType === "mouse" && this.leave());
    place.addEventListener("focusin", (event) => this.now(event.target));
    place.addEventListener("focusout", () => this.hide());
    place.addEventListener("keydown", step);
    this.box.addEventListener("pointerover", () => clearTimeout(this.timer));
    this.box.addEventListener("pointerout", () => this.leave());
    addEventListener("scroll", () => this.shown && this.put(this.shown), { passive: true });
  }

  aim(target) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(target), DELAY);
  }

  leave() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), 2 * DELAY);
  }

  now(target) {
    const word = target.classList?.contains("word") ? this.find(target) : null;
    if (!word) return;
    this.hide();
    this.shown = target;
    target.classList.add("shown");
    target.setAttribute("aria-describedby", "inspector");
    this.box.replaceChildren(...contents(word));
    this.box.hidden = false;
    this.put(target);
  }

  /** Hide; returns whether there was anything to hide. */
  hide() {
    clearTimeout(this.timer);
    this.shown?.classList.remove("shown");
    this.shown?.removeAttribute("aria-describedby");
    this.shown = null;
    const { hidden } = this.box;
    this.box.hidden = true;
    return !hidden;
  }

  /** Below the word, or above it where there is no room below. On a phone it is at the edge where the word is not. */
  put(target) {
    const rect = target.getClientRects()[0];
    const { offsetWidth: width, offsetHeight: height } = this.box;
    this.box.classList.toggle("high", rect.bottom > innerHeight - height);
    const below = rect.bottom + 8 + height <= innerHeight || rect.top < height + 8;
    const left = Math.min(Math.max(8, rect.left - 16), document.documentElement.clientWidth - width - 8);
    this.box.style.setProperty("left", `${left}px`);
    this.box.style.setProperty("top", `${below ? rect.bottom + 8 : rect.top - height - 8}px`);
  }
}

/** One tab stop a text; arrows go from word to word. */
function step(event) {
  const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  if (!(event.key in moves) || !event.target.classList.contains("word")) return;
  const all = [...event.target.parentElement.querySelectorAll("[tabindex]")];
  const wanted = all.indexOf(event.target) + moves[event.key];
  const next = all[Math.min(Math.max(wanted, 0), all.length - 1)];
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function contents(word) {
  const [first, ...rest] = word.tokens;
  const { trace } = first;
  const columns = ["base", "aligned"].filter((source) => trace[source].length);
  return [
    el("h3", {}, `“${visible(word.text.trim() || word.text)}”, by ${word.source ?? "whom the server did not say"}`),
    el("p", { className: "why" }, ...why(trace)),
    columns.length ? el("div", { className: "tops" }, ...columns.map((source) => top(source, first))) : null,
    rest.length ? el("p", { className: "why" }, `Then, within the word: ${rest.map((token) => `“${visible(token.text)}”`).join(", ")}`) : null,
  ].filter(Boolean);
}

function why({ signal, threshold, reason }) {
  if (signal === null && !reason) return ["Nobody was asked here: its author went on."];
  if (signal === null) return [`Decided by: ${reason}`];
  const held = threshold === null ? [] : [`, ${signal < threshold ? "below" : "not below"} the threshold `, el("b", {}, figure(threshold))];
  return [`Signal${reason ? ` (${reason})` : ""}: `, el("b", {}, figure(signal)), ...held];
}

function top(source, token) {
  const items = token.trace[source].map((entry) => likely(entry, token));
  return el("div", { className: source }, el("h4", {}, `${source} would say`), el("ol", {}, ...items));
}

function likely({ token, logprob }, written) {
  const percent = 100 * Math.exp(logprob);
  const is = token === written.text;
  const item = el("li", { className: is ? "written" : "", title: is ? "this was written" : "" }, el("span", {}, visible(token)), el("span", {}, share(percent)));
  item.style.setProperty("--p", percent);
  return item;
}

const figure = (value) => (Number.isFinite(value) ? value.toFixed(Math.abs(value) >= 100 ? 0 : 3) : shown(value));
const share = (percent) => (percent < 0.1 ? "<0.1%" : `${percent.toFixed(percent < 10 ? 1 : 0)}%`);

/** Spaces and line breaks would not be seen. */
const visible = (text) => text.replace(/^ | $/g, "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥");
