/** Copying text, also where the page is not in a secure context (a server in the local network). */

import { byId } from "./dom.js";

/** Copy the text; where the browser refuses, show it to be copied by hand. Returns whether it was copied. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    show(text); // no permission, or no clipboard at all
    return false;
  }
}

function show(text) {
  byId("copying-text").value = text;
  byId("copying").showModal();
  byId("copying-text").select();
}
