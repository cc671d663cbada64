/** What went wrong, said where the texts would be, with a way on. */

import { byId, el } from "./dom.js";

const place = () => byId("notice");
let timer = null;

export function clearNotice() {
  clearInterval(timer);
  place().replaceChildren();
}

/** Show a failure; `retry` tries again, after the seconds the server asked for. */
export function showFailure(failure, retry) {
  clearNotice();
  const param = failure.param ? el("p", { className: "hint" }, `The setting in question: ${failure.param}`) : null;
  const row = retry && failure.kind !== "refused" ? el("div", { className: "row" }, again(failure, retry)) : null;
  place().append(el("div", { className: "notice", role: "alert" }, el("h2", {}, failure.title), el("p", {}, failure.message), param, row));
}

/** Show that the page waits for something. */
export function showWait(title, message) {
  clearNotice();
  place().append(el("div", { className: "notice calm", role: "status" }, el("h2", {}, title), el("p", {}, message)));
}

function again(failure, retry) {
  const button = el("button", { type: "button", className: "strong", onclick: retry }, "Try again");
  if (failure.wait) countDown(button, failure.wait);
  return button;
}

function countDown(button, seconds) {
  const until = Date.now() + 1000 * seconds;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(timer);
  };
  timer = setInterval(tick, 250);
  tick();
}
