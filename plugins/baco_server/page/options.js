/** Controls for a router's options, made from their JSON schema. */

import { el, prose } from "./dom.js";

/** Shows one schema at a time in `place`; `onchange` is called after a change. */
export class Options {
  constructor(place, onchange) {
    this.place = place;
    this.onchange = onchange;
    this.controls = [];
  }

  /** Show the controls of a schema's properties, but those named in `without`; `own` are the pair's own values. */
  show(schema, without = [], own = {}) {
    const names = Object.keys(schema?.properties ?? {}).filter((name) => !without.includes(name));
    const required = schema?.required ?? [];
    this.controls = names.map((name) => controlOf(name, schema.properties[name], required.includes(name), own[name]));
    this.place.replaceChildren(...this.controls.map((control) => control.node));
    this.place.onchange = this.onchange;
  }

  /** Return what differs from what holds anyway: the pair's own values, or the defaults. Raises SyntaxError where JSON was typed that is none. */
  values() {
    const given = this.controls.map(({ name, read, initial }) => [name, read(), initial]);
    return Object.fromEntries(given.filter(([, value, initial]) => differs(value, initial)).map(([name, value]) => [name, value]));
  }

  /** Show values; returns the names that there is no control for. */
  set(values) {
    for (const { name, write } of this.controls) if (name in values) write(values[name]);
    return Object.keys(values).filter((name) => !this.controls.some((control) => control.name === name));
  }
}

const differs = (value, initial) => value !== undefined && JSON.stringify(value) !== JSON.stringify(initial);

function controlOf(name, schema, required, own) {
  const kind = plain(schema);
  const initial = own ?? schema.default ?? kind.default;
  const { input, read, write, beside } = makerOf(kind)(kind);
  const id = `option-${name}`;
  Object.assign(input, { id, required });
  if (initial !== undefined) write(initial);
  const about = schema.description ? el("p", { className: "hint", id: `${id}-about` }, ...prose(schema.description)) : null;
  if (about) input.setAttribute("aria-describedby", about.id);
  const label = el("label", { htmlFor: id }, name.replaceAll("_", " "));
  const node = kind.type === "boolean"
    ? el("div", { className: "option" }, el("label", { className: "tick" }, input, name.replaceAll("_", " ")), about)
    : el("div", { className: "option" }, label, beside ?? input, about);
  return { name, node, read, write, initial };
}

/** Of a choice between a type and null take the type: an empty field is null. */
function plain(schema) {
  const choices = schema.anyOf ?? schema.oneOf;
  return choices?.find((choice) => choice.type !== "null" && (choice.type || choice.enum)) ?? schema;
}

function makerOf(kind) {
  if (kind.enum) return choice;
  if (kind.type === "boolean") return tick;
  if (kind.type === "number" || kind.type === "integer") return number;
  if (kind.type === "string") return text;
  if (kind.type === "array" && kind.items?.type === "string") return list;
  return json;
}

function choice(kind) {
  const input = el("select", {}, ...kind.enum.map((value) => el("option", { value: JSON.stringify(value) }, String(value))));
  return { input, read: () => JSON.parse(input.value), write: (value) => (input.value = JSON.stringify(value)) };
}

function tick() {
  const input = el("input", { type: "checkbox" });
  return { input, read: () => input.checked, write: (value) => (input.checked = Boolean(value)) };
}

function number(kind) {
  const step = kind.type === "integer" ? 1 : "any";
  const input = el("input", { type: "number", min: kind.minimum ?? "", max: kind.maximum ?? "", step });
  const slider = isNarrow(kind) ? sliderFor(input, kind) : null;
  const write = (value) => {
    input.value = value;
    if (slider) slider.value = value;
  };
  const beside = slider && el("div", { className: "pairing" }, slider, input);
  return { input, beside, read: () => (input.value === "" ? undefined : Number(input.value)), write };
}

const isNarrow = (kind) => kind.type === "number" && kind.maximum - kind.minimum <= 10;

function sliderFor(input, { minimum, maximum }) {
  const step = (maximum - minimum) / 100;
  const slider = el("input", { type: "range", min: minimum, max: maximum, step, tabIndex: -1, ariaHidden: "true" });
  slider.addEventListener("input", () => (input.value = slider.value));
  input.addEventListener("input", () => (slider.value = input.value));
  return slider;
}

function text() {
  const input = el("input", { type: "text" });
  return { input, read: () => input.value || undefined, write: (value) => (input.value = value) };
}

function list() {
  const input = el("input", { type: "text", placeholder: "separated by commas" });
  const read = () => input.value.split(",").map((item) => item.trim()).filter(Boolean);
  return { input, read, write: (value) => (input.value = value.join(", ")) };
}

function json() {
  const input = el("textarea", { rows: 4, placeholder: "JSON", spellcheck: false });
  const read = () => (input.value.trim() ? JSON.parse(input.value) : undefined);
  return { input, read, write: (value) => (input.value = JSON.stringify(value, null, 1)) };
}
