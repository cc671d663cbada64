/** A run on the page: figures, tools, samples side by side. */

import { Card } from "./card.js";
import { el } from "./dom.js";
import { Figures } from "./figures.js";

const FIGURES_EVERY = 300; // milliseconds: figures that flicker cannot be read

/** Shows a run as a `head` and a `grid`. In a conversation one sample can go on: the reader chooses. */
export class View {
  constructor(run) {
    this.run = run;
    this.figures = new Figures(run);
    this.cards = run.samples.map((sample) => new Card(sample, this.choice(sample)));
    this.grid = el("div", { className: "cards" }, ...this.cards.map((card) => card.node));
    this.grid.dataset.n = run.samples.length;
    const asked = el("p", { className: this.isTurn ? "asked you" : "asked" }, run.settings.prompt);
    this.head = el("div", { className: "head" }, asked, this.figures.node);
    this.figured = 0;
    this.draw();
  }

  get isTurn() {
    return this.run.settings.mode === "chat";
  }

  choice(sample) {
    if (!this.isTurn || this.run.samples.length === 1) return {};
    return { picked: sample.index === this.run.chosen, onchoose: (index) => this.choose(index) };
  }

  choose(index) {
    this.run.chosen = index;
    this.cards.forEach((card) => card.node.classList.toggle("picked", card.sample.index === index));
  }

  /** Draw with the next frame; many chunks come in one. */
  queue() {
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.cards.forEach((card) => card.update());
    const now = performance.now();
    if (!this.run.ended && now - this.figured < FIGURES_EVERY) return;
    this.figured = now;
    this.figures.update();
  }
}
