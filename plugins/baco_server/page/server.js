/** The server this page came from. Raises `Failure`; an abort passes through as it is. */

import { Failure, brokenOff, failureInStream, failureOf, noConnection } from "./failure.js";
import { storedKey } from "./key.js";
import { events } from "./sse.js";

/** Return the absolute address of a path of the API, also where a proxy serves the page under a folder. */
export const address = (path) => new URL(path, document.baseURI.split("#")[0]).href;

/** Return the entries of a listing such as `v1/models`. */
export async function list(path) {
  const response = await send(path, {});
  const body = await response.json();
  return body.data ?? body.routers ?? body;
}

/** Post a request that streams; yield its chunks as objects. */
export async function* stream(path, body, signal) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  const response = await send(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  try {
    yield* chunks(response.body);
  } catch (error) {
    throw error instanceof TypeError ? brokenOff() : error; // how browsers name a lost connection
  }
}

async function* chunks(bytes) {
  for await (const { event, data } of events(bytes)) {
    if (data === "[DONE]") return;
    const chunk = read(data);
    if (event === "error" || chunk.error) throw failureInStream(chunk.error ?? chunk);
    yield chunk;
  }
  throw brokenOff();
}

function read(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure("broken", "The stream cannot be read", `The server sent what is no JSON: ${data.slice(0, 80)}`);
  }
}

async function send(path, options) {
  const key = storedKey();
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(address(path), { ...options, headers, cache: "no-store" }).catch((error) => {
    throw error.name === "AbortError" ? error : noConnection();
  });
  if (!response.ok) throw await failureOf(response);
  return response;
}
