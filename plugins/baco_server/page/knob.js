/** gamma: a slider over the router's own range, and a number beside it for what lies outside. */

import { byId } from "./dom.js";

/** Calls `onturn` when a turn is done: at the end of a drag, or when a number was typed. */
export class Knob {
  constructor(onturn) {
    this.slider = byId("gamma");
    this.number = byId("gamma-number");
    this.slider.addEventListener("input", () => this.set(Number(this.slider.value)));
    this.number.addEventListener("input", () => this.follow());
    for (const input of [this.slider, this.number]) input.addEventListener("change", onturn);
  }

  /** Show the range `{default, minimum, maximum}` of a router and how it reads gamma; null hides the knob. */
  show(range, about) {
    byId("knob").hidden = !range;
    this.range = range;
    if (!range) return;
    const low = range.minimum ?? 0;
    const high = range.maximum ?? Math.max(1, 2 * range.default || 0);
    const step = 10 ** Math.floor(Math.log10((high - low) / 100));
    Object.assign(this.slider, { min: low, max: high, step });
    byId("gamma-low").textContent = shown(low);
    byId("gamma-high").textContent = shown(high);
    byId("gamma-about").textContent = about;
    this.set(Number.isFinite(range.default) ? range.default : high); // infinity comes as text
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
