/** The API key of this tab: asked for when the server wants one, gone when the tab is closed. */

const NAME = "baco-key";

export const storedKey = () => sessionStorage.getItem(NAME) ?? "";

/** Keep the key; the empty one forgets it. */
export function keepKey(key) {
  if (key) sessionStorage.setItem(NAME, key);
  else sessionStorage.removeItem(NAME);
}
