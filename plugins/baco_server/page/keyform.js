/** Asks for the API key, only once a server wants one. */

import { byId, el } from "./dom.js";
import { keepKey, storedKey } from "./key.js";

/** Show the form; `onkey` is called when a key was given. */
export function askForKey(onkey) {
  const refused = storedKey() !== "";
  const input = el("input", { type: "password", id: "key", autocomplete: "off", required: true, spellcheck: false });
  input.setAttribute("aria-describedby", "key-about");
  const title = refused ? "The server refused this key" : "This server asks for a key";
  const form = el(
    "form",
    { className: "keyform", ariaLabel: "API key" },
    el("h2", {}, title),
    el("label", { htmlFor: "key" }, "API key"),
    el("div", { className: "row" }, input, el("button", { className: "strong" }, "Use")),
    el("p", { className: "hint", id: "key-about" }, "It is kept in this tab until the tab is closed, and sent to this server only. Links and copied commands never hold it."),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey(input.value.trim());
    dropKeyForm();
    onkey();
  });
  place().replaceChildren(form);
  place().hidden = false;
  input.focus();
}

/** The form is not needed, or not any more. */
export function dropKeyForm() {
  place().replaceChildren();
  place().hidden = true;
}

const place = () => byId("key-form");
