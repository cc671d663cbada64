/** A conversation: what was said before the texts that are being written now. */

import { byId, el } from "./dom.js";

/** Turns that are settled: `{user, assistant, node}`. */
export class Chat {
  constructor() {
    this.turns = [];
  }

  /** Return the messages so far, and one more by the user. */
  messages(prompt) {
    const said = this.turns.flatMap(({ user, assistant }) => [
      { role: "user", content: user },
      { role: "assistant", content: assistant },
    ]);
    return [...said, { role: "user", content: prompt }];
  }

  /** Settle a run: its chosen text goes on. Its element, with words and colours, becomes part of the conversation. */
  settle(run, textNode) {
    this.put(run.settings.prompt, run.samples[run.chosen].text, textNode);
  }

  /** Take over messages of a link; who wrote them is not in it. */
  restore(messages) {
    for (let at = 0; at + 1 < messages.length; at += 2) {
      const [user, assistant] = [messages[at].content, messages[at + 1].content];
      this.put(user, assistant, el("p", { className: "text" }, assistant));
    }
  }

  put(user, assistant, textNode) {
    textNode.classList.remove("open");
    const node = el("section", { className: "turn", ariaLabel: "Earlier turn" }, el("p", { className: "you" }, user), textNode);
    this.turns.push({ user, assistant, node });
    byId("turns").append(node);
  }

  clear() {
    this.turns = [];
    byId("turns").replaceChildren();
  }
}

