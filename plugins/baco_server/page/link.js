/** Settings as the fragment of a link and back. The fragment is never sent to a server; the key is never in it. */

import { numberIn, toApi } from "./number.js";

const TEXTS = ["mode", "pair", "router", "prompt", "system"];
const NUMBERS = ["n", "temperature", "maxTokens", "seed"];
const OBJECTS = ["options", "messages"];

/** Return the fragment, without `#`. What is null, undefined or empty is left out. */
export function toFragment(settings) {
  const pairs = new URLSearchParams();
  for (const name of [...TEXTS, ...NUMBERS]) {
    if (settings[name] !== null && settings[name] !== undefined && settings[name] !== "") pairs.set(name, settings[name]);
  }
  if (typeof settings.gamma === "number") pairs.set("gamma", toApi(settings.gamma));
  for (const name of OBJECTS) {
    if (settings[name] && Object.keys(settings[name]).length) pairs.set(name, JSON.stringify(settings[name]));
  }
  return pairs.toString();
}

/** Return the settings a fragment holds; what is unknown or cannot be read is passed over. */
export function fromFragment(fragment) {
  const pairs = new URLSearchParams(fragment.replace(/^#/, ""));
  const settings = {};
  for (const name of TEXTS) if (pairs.has(name)) settings[name] = pairs.get(name);
  for (const name of NUMBERS) {
    const value = Number(pairs.get(name) || NaN);
    if (Number.isFinite(value)) settings[name] = value;
  }
  const gamma = numberIn(pairs.get("gamma") ?? "");
  if (!Number.isNaN(gamma)) settings.gamma = gamma;
  for (const name of OBJECTS) {
    const value = object(pairs.get(name));
    if (value) settings[name] = value;
  }
  if ("messages" in settings) settings.messages = messagesIn(settings.messages);
  return settings;
}

function object(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" ? value : null;
  } catch {
    return null; // somebody cut the link
  }
}

function messagesIn(value) {
  const roles = ["user", "assistant"];
  const fits = (turn) => roles.includes(turn?.role) && typeof turn.content === "string";
  return Array.isArray(value) ? value.filter(fits).map(({ role, content }) => ({ role, content })) : [];
}
