/** Figures over all samples of a run: base share, diversity, speed, seed. */

import { DISTANCE, DISTINCT_2 } from "./diversity.js";
import { el } from "./dom.js";

const NAMES = {
  share: ["by base", "Fraction of all tokens that the base model wrote"],
  distinct2: ["distinct-2", DISTINCT_2],
  distance: ["word distance", DISTANCE],
  speed: ["tokens/s", "Tokens a second, all samples together, from the first token to the last"],
  seed: ["seed", "The same seed and settings write the same texts again"],
};

export class Figures {
  constructor(run) {
    this.run = run;
    this.values = {};
    this.meanings = {};
    const list = el("dl", { className: "figures" }, ...Object.keys(NAMES).map((name) => this.figure(name)), legend());
    const meanings = Object.keys(NAMES).flatMap((name) => [el("dt", {}, NAMES[name][0]), this.meanings[name]]);
    const more = el("details", { className: "meanings" }, el("summary", {}, "What these figures are"), el("dl", {}, ...meanings));
    this.node = el("div", {}, list, more);
    this.values.seed.textContent = run.body.seed;
  }

  figure(name) {
    const [label, title] = NAMES[name];
    this.values[name] = el("dd", {}, "–");
    this[name] = el("dt", { title }, label);
    this.meanings[name] = el("dd", {}, title); // a title is only for a mouse
    return el("div", {}, this[name], this.values[name]);
  }

  explain(name, text) {
    this[name].title = this.meanings[name].textContent = text;
  }

  update() {
    const { share, speed, wait, diversity } = this.run;
    const { distinct2, distance, cut } = diversity;
    this.write("share", share, (value) => `${Math.round(100 * value)}%`);
    this.write("distinct2", distinct2, (value) => value.toFixed(2));
    this.write("distance", distance, (value) => value.toFixed(2));
    this.write("speed", speed, (value) => value.toFixed(value < 10 ? 1 : 0));
    const over = Number.isFinite(cut) ? `. Over the first ${cut} words of each sample` : "";
    this.explain("distinct2", DISTINCT_2 + over);
    this.explain("distance", DISTANCE + over);
    if (wait !== null) this.explain("speed", `${NAMES.speed[1]}; the first came after ${wait.toFixed(2)} s`);
  }

  write(name, value, shown) {
    this.values[name].textContent = value === null ? "–" : shown(value);
  }
}

function legend() {
  const words = ["base", "aligned"].map((source) => el("span", { className: `word ${source}` }, source));
  return el("div", { className: "legend" }, el("dt", { className: "unseen" }, "Authors"), el("dd", {}, ...words));
}
