/**
 * Server-sent events from a stream of bytes, by the rules of the WHATWG HTML standard.
 *
 * Chunk borders may fall anywhere: inside a character, a line break, a field.
 */

/** Takes text in pieces; calls `emit({event, data})` for each event that is complete. */
export class EventParser {
  constructor(emit) {
    this.emit = emit;
    this.line = "";
    this.data = [];
    this.event = "";
    this.afterReturn = false; // a line break may be \r\n, cut in the middle
  }

  push(text) {
    let start = 0;
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code !== 10 && code !== 13) {
        this.afterReturn = false;
        continue;
      }
      if (code === 10 && this.afterReturn) {
        this.afterReturn = false;
        start = at + 1;
        continue;
      }
      this.end(this.line + text.slice(start, at));
      this.line = "";
      start = at + 1;
      this.afterReturn = code === 13;
    }
    this.line += text.slice(start);
  }

  end(line) {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined; // a comment: it keeps the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    return undefined; // id and retry serve reconnecting, which a POST cannot do
  }

  dispatch() {
    const { data, event } = this;
    this.data = [];
    this.event = "";
    if (data.length) this.emit({ event: event || "message", data: data.join("\n") });
  }
}

/** Yield the events of a `ReadableStream` of bytes. What is incomplete at its end is dropped, as the standard says. */
export async function* events(stream) {
  const ready = [];
  const parser = new EventParser((event) => ready.push(event));
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parser.push(decoder.decode(value, { stream: true }));
      yield* ready.splice(0);
    }
  } finally {
    reader.cancel().catch(() => undefined); // already broken: nothing left to cancel
  }
}
