/** One request and all that came of it. */

import { choicesIn } from "./chunk.js";
import { diversity } from "./diversity.js";
import { Sample } from "./sample.js";

/** What was asked (`settings`, `body`), the samples, and how long it took (milliseconds). */
export class Run {
  constructor(settings, body, now = performance.now()) {
    this.settings = settings;
    this.body = body;
    this.samples = Array.from({ length: settings.n }, (_, index) => new Sample(index));
    this.started = now;
    this.firstToken = null;
    this.lastToken = null;
    this.usage = null;
    this.ended = false;
    this.failure = null;
    this.chosen = 0;
  }

  take(chunk, now = performance.now()) {
    this.usage = chunk.usage ?? this.usage;
    for (const { sample, tokens, finish, baco } of choicesIn(chunk)) {
      const text = this.samples[sample];
      if (!text) continue; // more than was asked for
      tokens.forEach((token) => text.add(token));
      if (tokens.length) this.mark(now);
      if (finish) text.end(finish, baco);
    }
  }

  mark(now) {
    this.firstToken ??= now;
    this.lastToken = now;
  }

  /** End what is not ended: `finish` says how, `failure` why. */
  end(finish, failure = null) {
    this.samples.forEach((sample) => sample.finish ?? sample.end(finish));
    this.failure = failure;
    this.ended = true;
  }

  get wasStopped() {
    return this.samples.some((sample) => sample.finish === "stopped");
  }

  get tokens() {
    const counted = this.samples.reduce((sum, sample) => sum + sample.tokens, 0);
    return Math.max(counted, this.ended ? (this.usage?.completion_tokens ?? 0) : 0);
  }

  /** Tokens a second of all samples together, from the first token to the last. */
  get speed() {
    const seconds = (this.lastToken - this.firstToken) / 1000;
    return seconds > 0.05 ? this.tokens / seconds : null;
  }

  /** Seconds until the first token; null before. */
  get wait() {
    return this.firstToken === null ? null : (this.firstToken - this.started) / 1000;
  }

  /** Fraction of all tokens by base. */
  get share() {
    const known = this.samples.filter((sample) => sample.tokens);
    const tokens = known.reduce((sum, sample) => sum + sample.tokens, 0);
    return tokens ? known.reduce((sum, sample) => sum + sample.share * sample.tokens, 0) / tokens : null;
  }

  get diversity() {
    return diversity(this.samples.map((sample) => sample.text).filter(Boolean));
  }
}
