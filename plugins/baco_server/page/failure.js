/** What went wrong, in words for a person, and what can be done about it. */

/** A request that failed. `kind`: key, busy, closing, refused, server, network, broken; `wait` is in seconds. */
export class Failure extends Error {
  constructor(kind, title, message, { param = null, wait = null } = {}) {
    super(message);
    this.kind = kind;
    this.title = title;
    this.param = param;
    this.wait = wait;
  }
}

/** Return the failure that an HTTP answer of 400 or more tells of. */
export async function failureOf(response) {
  const error = await errorIn(response);
  const message = error.message ?? `The server answered ${response.status} ${response.statusText}`.trim() + ".";
  const wait = waitOf(response);
  if (response.status === 401) return new Failure("key", "This server asks for a key", message);
  if (response.status === 429) return new Failure("busy", "The server is busy", message, { wait: wait ?? 5 });
  if (response.status === 503) return new Failure("closing", "The server takes no requests just now", message, { wait: wait ?? 5 });
  if (response.status >= 500) return new Failure("server", "The server failed", message);
  return new Failure("refused", "The server cannot do that", message, { param: error.param ?? null });
}

async function errorIn(response) {
  try {
    return (await response.json()).error ?? {};
  } catch {
    return {}; // a proxy's page, perhaps: the status says enough
  }
}

function waitOf(response) {
  const header = response.headers.get("retry-after");
  if (!header) return null;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(wait) ? Math.min(Math.max(Math.ceil(wait), 1), 600) : null;
}

/** Return the failure that an error event in the middle of a stream tells of. */
export function failureInStream(error) {
  const message = error?.message ?? "The server broke off without a reason.";
  const closing = error?.code === "closing";
  return closing
    ? new Failure("closing", "The server is closing", message)
    : new Failure("server", "The server failed while it wrote", message);
}

export function noConnection() {
  return new Failure("network", "No connection to the server", "It may have been stopped, or the network is gone.");
}

export function brokenOff() {
  return new Failure("broken", "The stream broke off", "The connection ended before the texts did. What was written is kept.");
}

/** Return what was thrown as a failure; what is none was not foreseen. */
export function asFailure(error) {
  if (error instanceof Failure) return error;
  console.error(error);
  return new Failure("page", "The page failed", String(error.message ?? error));
}
