/** What turning the knob did: the last runs as a table, each of which can be shown again. */

import { el } from "./dom.js";
import { shown } from "./number.js";

const KEPT = 12;
const HEADINGS = ["Router", "gamma", "by base", "distinct-2", "word distance", "seed", ""];

export class Ledger {
  constructor(onshow) {
    this.runs = [];
    this.onshow = onshow;
    this.body = el("tbody");
    const head = el("tr", {}, ...HEADINGS.map((text) => (text ? el("th", { scope: "col" }, text) : el("td"))));
    const table = el("table", {}, el("thead", {}, head), this.body);
    this.node = el("details", { className: "turned", open: true }, el("summary", {}, "So far"), table);
  }

  add(run) {
    if (this.runs.includes(run) || !run.tokens) return;
    this.runs = [...this.runs, run].slice(-KEPT);
  }

  clear() {
    this.runs = [];
  }

  /** Show the table, if there is more than the run that stands above it. */
  show(current) {
    this.node.hidden = this.runs.length < 2;
    this.body.replaceChildren(...this.runs.map((run) => this.row(run, run === current)));
    return this.node;
  }

  row(run, isShown) {
    const { share, diversity, settings, body } = run;
    const figures = [
      settings.router,
      settings.gamma === null ? "–" : shown(settings.gamma),
      share === null ? "–" : `${Math.round(100 * share)}%`,
      diversity.distinct2?.toFixed(2) ?? "–",
      diversity.distance?.toFixed(2) ?? "–",
      body.seed,
    ];
    const button = el("button", { type: "button", disabled: isShown, onclick: () => this.onshow(run) }, isShown ? "shown" : "Show");
    return el("tr", {}, ...figures.map((value) => el("td", {}, String(value))), el("td", {}, button));
  }
}
