/** Numbers as people, links and the API write them. Infinity is ∞ on the page and `.inf` in JSON, which has no number for it. */

const FINITE = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const INFINITE = /^([+-]?)(∞|\.?inf|infinity)$/i;

/** Return the number that a text names; NaN where it names none. */
export function numberIn(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  const infinite = INFINITE.exec(plain);
  if (infinite) return infinite[1] === "-" ? -Infinity : Infinity;
  return FINITE.test(plain) ? Number(plain) : NaN;
}

/** Return what the API told as a number; what was not told is null. */
export function fromApi(told) {
  return typeof told === "string" ? numberIn(told) : (told ?? null);
}

export function toApi(number) {
  if (Number.isFinite(number)) return number;
  return number > 0 ? ".inf" : "-.inf";
}

/** Return a number as the page writes it. */
export function shown(number) {
  if (Number.isFinite(number)) return String(number);
  return number > 0 ? "∞" : "−∞";
}
