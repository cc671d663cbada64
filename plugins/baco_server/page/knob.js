/** gamma: a slider over the router's own range, and a number beside it for what lies outside. */

import { byId } from "./dom.js";

const BEYOND = 0.05;

/** Calls `onturn` when a turn is done: at the end of a drag, or when a number was typed. */
export class Knob {
  constructor(onturn) {
    this.slider = byId("gamma");
    this.number = byId("gamma-number");
    this.slider.addEventListener("input", () => this.set(Number(this.slider.value)));
    this.number.addEventListener("input", () => this.follow());
    for (const input of [this.slider, this.number]) input.addEventListener("change", onturn);
  }

  /**
   * Show the range `{default, minimum, maximum}` of a router and how it reads gamma; null hides the knob.
   * `own` is the pair's gamma. A side without a limit ends a little beyond where most routers have their end point.
   */
  show(range, about, own = null) {
    byId("knob").hidden = !range;
    this.range = range;
    if (!range) return;
    const start = [own, range.default].find(Number.isFinite) ?? 1; // infinity comes as text
    const low = range.minimum ?? Math.min(-BEYOND, 2 * start);
    const high = range.maximum ?? Math.max(1 + BEYOND, 2 * start);
    Object.assign(this.slider, { min: low, max: high, step: 10 ** Math.floor(Math.log10((high - low) / 100)) });
    byId("gamma-low").textContent = shown(low);
    byId("gamma-high").textContent = shown(high);
    byId("gamma-about").textContent = about;
    this.set(start);
  }

  /** gamma, or null where the router has none. */
  get value() {
    if (!this.range) return null;
    return Number(this.number.value === "" ? this.slider.value : this.number.value);
  }

  set(gamma) {
    this.number.value = shown(gamma);
    this.follow();
  }

  follow() {
    this.slider.value = this.value;
    const { min, max, value } = this.slider;
    this.slider.style.setProperty("--at", `${(100 * (value - min)) / (max - min)}%`);
  }
}

const shown = (value) => String(Math.round(value * 1e4) / 1e4);
