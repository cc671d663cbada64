/** gamma: a slider over the router's own range, and a field beside it for what lies outside. */

import { byId } from "./dom.js";
import { fromApi, numberIn, shown } from "./number.js";

const BEYOND = 0.05;
const STEPS = { ArrowUp: 1, ArrowDown: -1 };

/** Calls `onturn` when a turn is done: at the end of a drag, or when a number was typed. */
export class Knob {
  constructor(onturn) {
    this.slider = byId("gamma");
    this.field = byId("gamma-number");
    this.infinite = byId("gamma-infinite");
    this.gamma = null;
    this.slider.addEventListener("input", () => this.set(Number(this.slider.value)));
    this.field.addEventListener("input", () => this.take());
    this.field.addEventListener("keydown", (event) => this.key(event, onturn));
    for (const input of [this.slider, this.field]) input.addEventListener("change", onturn);
    this.infinite.addEventListener("click", () => this.turn(Infinity, onturn));
  }

  /**
   * Show the range `{default, minimum, maximum}` of a router and how it reads gamma; null hides the knob.
   * `own` is the pair's gamma. A side without a limit ends a little beyond where most routers have their end point.
   */
  show(range, about, own = null) {
    byId("knob").hidden = !range;
    this.range = range;
    this.field.setCustomValidity(""); // what is hidden holds nobody up
    if (!range) return;
    const start = fromApi(own) ?? fromApi(range.default) ?? 1;
    const middle = Number.isFinite(start) ? start : 1;
    const low = range.minimum ?? Math.min(-BEYOND, 2 * middle);
    const high = range.maximum ?? Math.max(1 + BEYOND, 2 * middle);
    Object.assign(this.slider, { min: low, max: high, step: 10 ** Math.floor(Math.log10((high - low) / 100)) });
    byId("gamma-low").textContent = shown(low);
    byId("gamma-high").textContent = shown(high);
    byId("gamma-about").textContent = about;
    this.infinite.hidden = (range.maximum ?? null) !== null;
    this.set(start);
  }

  /** gamma, the last that could be read, or null where the router has none. */
  get value() {
    return this.range ? this.gamma : null;
  }

  set(gamma) {
    if (!this.range) return;
    this.field.value = shown(gamma);
    this.take();
  }

  turn(gamma, onturn) {
    this.set(gamma);
    onturn();
  }

  /** Take what stands in the field; what cannot be taken is said there, as in any other field. */
  take() {
    const gamma = numberIn(this.field.value);
    const wrong = this.complaint(gamma);
    this.field.setCustomValidity(wrong);
    if (wrong) return;
    this.gamma = gamma;
    this.follow();
  }

  complaint(gamma) {
    const { minimum, maximum } = this.range;
    if (Number.isNaN(gamma)) return "gamma is a number, such as 0.3, or inf.";
    if (gamma < (minimum ?? -Infinity)) return `gamma is ${shown(minimum)} or more.`;
    if (gamma > (maximum ?? Infinity)) return `gamma is ${shown(maximum)} or less.`;
    return "";
  }

  follow() {
    const [min, max] = [Number(this.slider.min), Number(this.slider.max)];
    this.slider.value = Math.min(Math.max(this.gamma, min), max);
    this.slider.ariaValueText = shown(this.gamma); // it may lie beyond the slider
    this.slider.style.setProperty("--at", `${(100 * (this.slider.value - min)) / (max - min)}%`);
    this.infinite.ariaPressed = String(this.gamma === Infinity);
  }

  /** Arrows count up and down, as in a field that takes numbers alone. */
  key(event, onturn) {
    const by = STEPS[event.key] * Number(this.slider.step);
    const gamma = Number((this.gamma + by).toPrecision(12)); // 0.1 + 0.2 is 0.3
    if (!by || this.complaint(gamma)) return;
    event.preventDefault();
    this.turn(gamma, onturn);
  }
}
