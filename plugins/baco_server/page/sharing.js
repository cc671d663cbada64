/** What can be taken away from a run: its texts, a command that asks for them, a link. */

import { storedKey } from "./key.js";
import { toFragment } from "./link.js";
import { curlOf, pathOf } from "./request.js";
import { address } from "./server.js";

export const textsOf = (run) => run.samples.map((sample) => sample.text.trim()).join("\n\n---\n\n");

export const commandFor = (run) => curlOf(address(pathOf(run.settings)), run.body, storedKey() !== "");

/** Return the address of a run, which the browser's address bar shows from now on as well. */
export function linkTo(run) {
  const earlier = run.settings.mode === "chat" ? run.messages.slice(0, -1) : [];
  const fragment = toFragment({ ...run.settings, seed: run.body.seed, messages: earlier });
  history.replaceState(null, "", `#${fragment}`);
  return location.href;
}
