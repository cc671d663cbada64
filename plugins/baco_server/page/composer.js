/** Where one says what to write: prompt or conversation, the button that writes, the one that stops, the status. */

import { byId } from "./dom.js";

const LABELS = { prompt: ["Prompt", "Tell me a story about a lighthouse."], chat: ["Message", "Say something."] };

/** Calls `onwrite`, `onstop`, `onnew` for its buttons, and `onmode` when the mode was changed. */
export class Composer {
  constructor({ onwrite, onstop, onnew, onmode }) {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      onwrite();
    });
    byId("stop").addEventListener("click", onstop);
    byId("new-chat").addEventListener("click", onnew);
    for (const radio of this.radios) radio.addEventListener("change", () => this.setMode(radio.value));
    this.onmode = onmode;
  }

  get radios() {
    return [...document.querySelectorAll("[name=mode]")];
  }

  get mode() {
    return this.radios.find((radio) => radio.checked).value;
  }

  /** In a conversation the composer stands below what was said, for eyes and keyboard alike. */
  setMode(mode) {
    const main = document.querySelector("main");
    const radio = this.radios.find(({ value }) => value === mode);
    radio.checked = true;
    if (main.dataset.mode === mode) return;
    main.dataset.mode = mode;
    byId("system-field").hidden = byId("new-chat").hidden = mode !== "chat";
    [byId("prompt").labels[0].textContent, byId("prompt").placeholder] = LABELS[mode];
    if (mode === "chat") byId("results").after(byId("composer"));
    else main.prepend(byId("composer"));
    this.onmode();
    radio.focus(); // moving took the focus away
  }

  get prompt() {
    return byId("prompt").value.trim();
  }

  set prompt(text) {
    byId("prompt").value = text;
  }

  get isBusy() {
    return byId("write").getAttribute("aria-disabled") === "true";
  }

  /** While busy nothing can be written; `stoppable`: there is something to stop. The focus is never lost. */
  setBusy(busy, stoppable = false) {
    const [write, stop] = [byId("write"), byId("stop")];
    write.setAttribute("aria-disabled", busy);
    if (!stoppable && document.activeElement === stop) write.focus();
    stop.hidden = !stoppable;
  }

  /** Say something to eyes and screen readers. */
  say(text) {
    byId("status").textContent = text;
  }

  focus() {
    byId("prompt").focus();
  }
}
