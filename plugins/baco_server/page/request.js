/** From settings to the request that the API takes. */

import { toApi } from "./number.js";

/** Return the path of the endpoint: a prompt is completed, a conversation answered. */
export const pathOf = (settings) => (settings.mode === "chat" ? "v1/chat/completions" : "v1/completions");

/** Return the JSON body of a streamed request that also tells who wrote what, and why. */
export function bodyOf(settings, messages = []) {
  return {
    model: settings.pair,
    ...(settings.mode === "chat" ? { messages: withSystem(settings, messages) } : { prompt: settings.prompt }),
    n: settings.n,
    temperature: settings.temperature,
    max_tokens: settings.maxTokens,
    seed: settings.seed,
    stream: true,
    stream_options: { include_usage: true },
    baco: routing(settings),
  };
}

function withSystem(settings, messages) {
  return settings.system ? [{ role: "system", content: settings.system }, ...messages] : messages;
}

function routing({ router, gamma, options }) {
  return {
    router,
    ...(gamma !== null && { gamma: toApi(gamma) }),
    ...(Object.keys(options).length && { options }),
    trace: true,
  };
}

/** Return a seed for a request that names none. */
export const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;

/** Return the request as a shell command; a key is named, never shown. */
export function curlOf(url, body, withKey) {
  const lines = [
    `curl -N ${quoted(url)}`,
    "-H 'Content-Type: application/json'",
    ...(withKey ? ['-H "Authorization: Bearer $BACO_API_KEY"'] : []),
    `-d ${quoted(JSON.stringify(body))}`,
  ];
  return lines.join(" \\\n  ");
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
