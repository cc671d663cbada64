/** The form of settings: pair, router and its options, sampling. */

import { byId, el, prose } from "./dom.js";
import { Knob } from "./knob.js";
import { Options } from "./options.js";

/** Calls `onchange` after any change, `onturn` when gamma was turned. */
export class Settings {
  constructor(onchange, onturn) {
    this.knob = new Knob(onturn);
    this.options = new Options(byId("options"), onchange);
    this.models = [];
    this.routers = [];
    byId("router").addEventListener("change", () => this.showRouter());
    byId("pair").addEventListener("change", () => this.showPair());
    byId("settings").addEventListener("change", onchange);
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    this.fold(matchMedia("(max-width: 60rem)"));
  }

  /** On a narrow screen settings begin folded; on a wide one they are never, and there is nothing to press. */
  fold(narrow) {
    const set = () => {
      byId("more").open = !narrow.matches;
      byId("more").firstElementChild.tabIndex = narrow.matches ? 0 : -1;
    };
    narrow.addEventListener("change", set);
    set();
  }

  /** Show what the server has. */
  offer(models, routers) {
    this.models = models.filter(({ id }, _, all) => isPair(id, all));
    this.routers = routers;
    byId("pair").replaceChildren(...this.models.map(({ id }) => el("option", { value: id }, id)));
    this.showPair();
  }

  /** Show the routers that requests of a pair may name, its own first of all. */
  showPair() {
    const allowed = this.pair?.routers;
    const names = this.routers.map(({ name }) => name).filter((name) => allowed?.includes(name) ?? true);
    byId("router").replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    byId("router").value = [this.pair?.router, "p-punc", names[0]].find((name) => names.includes(name)) ?? "";
    this.showRouter();
  }

  showRouter() {
    const { router } = this;
    const schema = router?.options ?? {};
    const own = router?.name === this.pair?.router ? (this.pair ?? {}) : {};
    byId("router-about").replaceChildren(...prose((router?.description ?? "").split("\n\n")[0]));
    this.knob.show(router?.gamma ?? null, schema.properties?.gamma?.description ?? "", own.gamma);
    this.options.show(schema, router?.gamma ? ["gamma"] : [], own.options);
  }

  /** What the server tells of the pair that is chosen. */
  get pair() {
    return this.models.find(({ id }) => id === byId("pair").value)?.baco;
  }

  get router() {
    return this.routers.find(({ name }) => name === byId("router").value);
  }

  /** Say what is wrong at the field that is wrong; return whether all is well. */
  check() {
    const wrong = [...byId("settings").elements].find((field) => !field.validity.valid);
    if (wrong) byId("more").open = true;
    return wrong ? wrong.reportValidity() : true;
  }

  read() {
    const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
    return {
      pair: byId("pair").value,
      router: byId("router").value,
      gamma: this.knob.value,
      options: this.options.values(),
      n: number("n"),
      temperature: number("temperature"),
      maxTokens: number("max-tokens"),
      seed: number("seed"),
      system: byId("system").value.trim(),
    };
  }

  /** Show settings, such as those of a link. Returns what of them the server does not have, in words. */
  write(settings) {
    const pair = missing("pair", settings.pair);
    this.showPair();
    const router = missing("router", settings.router);
    this.showRouter();
    const options = router ? [] : this.writeRouter(settings);
    this.writeFields(settings);
    return [pair, router, ...options].filter(Boolean);
  }

  writeRouter({ gamma, options = {} }) {
    if (gamma !== undefined) this.knob.set(gamma);
    return this.options.set(options).map((name) => `option “${name}”`);
  }

  writeFields(settings) {
    const fields = { n: "n", temperature: "temperature", maxTokens: "max-tokens", seed: "seed", system: "system" };
    for (const [name, id] of Object.entries(fields)) if (name in settings) byId(id).value = settings[name] ?? "";
  }
}

/** Choose a value where it can be had; return what cannot be, in words. */
function missing(id, value) {
  const select = byId(id);
  const isThere = [...select.options].some((option) => option.value === value);
  if (isThere) select.value = value;
  return isThere || value === undefined ? null : `${id} “${value}”`;
}

/** A pair is a model that is no view of another one (`NAME:base`, `NAME@router`). */
function isPair(id, all) {
  return !all.some((other) => id.startsWith(`${other.id}:`) || id.startsWith(`${other.id}@`));
}
