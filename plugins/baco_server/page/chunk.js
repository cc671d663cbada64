/** What one chunk of a stream tells: tokens with their authors, and how a sample ended. */

import { fromApi } from "./number.js";

/** Return `{sample, tokens, finish, baco}` for each choice. A token is `{text, source, trace}`; text that no token brought has no source. */
export function choicesIn(chunk) {
  return (chunk.choices ?? []).map((choice) => ({
    sample: choice.index ?? 0,
    tokens: tokensIn(choice),
    finish: choice.finish_reason ?? null,
    baco: choice.finish_reason ? (choice.baco ?? choice.delta?.baco ?? chunk.baco ?? null) : null,
  }));
}

function tokensIn(choice) {
  const text = choice.delta?.content ?? choice.text ?? "";
  const told = choice.delta?.baco ?? choice.baco ?? {};
  const listed = (choice.logprobs?.content ?? []).filter((entry) => entry.source);
  if (listed.length > 1 && listed.map((entry) => entry.token).join("") === text) return listed.map(tokenOf);
  const { source } = listed[0] ?? told;
  if (!text && !source) return [];
  return [{ text, source: source ?? null, trace: traceIn(listed[0]?.baco ?? told) }];
}

const tokenOf = (entry) => ({ text: entry.token, source: entry.source, trace: traceIn(entry.baco) });

function traceIn(told) {
  const { signal, threshold, reason = null, base = [], aligned = [] } = told ?? {};
  return { signal: fromApi(signal), threshold: fromApi(threshold), reason, base, aligned };
}
