/** Buttons over a run. */

import { say } from "./card.js";
import { copy } from "./clipboard.js";
import { el, icon } from "./dom.js";

const AGAIN = "M16 10a6 6 0 1 1-2-4.5M14.5 2.5v3.5H11";
const LINK = "M8.5 11.5l3-3M9 6.5l1.7-1.7a3.2 3.2 0 0 1 4.5 4.5L13.500 11M11 13.500l-1.700 1.700a3.200 3.200 0 0 1-4.500-4.500L6.500 9";
const TEXT = "M7 7h9v10H7zM4 13V3h9";
const SHELL = "M3.500 5.500L8 10l-4.500 4.500M10 15h6";

/** Return `{bar, again, turned}`: the bar, and two of its buttons. What they do is handed in. */
export function toolsOf({ again, rewrite, link, texts, curl }) {
  const turned = el("button", { type: "button", className: "strong", onclick: rewrite, hidden: true });
  const fresh = tool(AGAIN, "Again, new seed", again);
  const bar = el(
    "div",
    { className: "tools" },
    turned,
    fresh,
    copier(TEXT, "Copy texts", texts),
    copier(SHELL, "Copy as curl", curl),
    copier(LINK, "Copy link", link),
  );
  return { bar, again: fresh, turned };
}

const tool = (path, label, onclick) => el("button", { type: "button", className: "quiet", onclick }, icon(path), el("span", {}, label));

function copier(path, label, text) {
  const button = tool(path, label, async () => {
    if (await copy(text())) say(button.lastChild, "Copied");
  });
  return button;
}
