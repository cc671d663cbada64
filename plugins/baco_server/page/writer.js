/** Has one run at a time written by the server, and shows it as it comes. */

import { asFailure } from "./failure.js";
import { pathOf } from "./request.js";
import { stream } from "./server.js";

export class Writer {
  constructor(composer) {
    this.composer = composer;
    this.aborter = null; // of the run being written
  }

  /** Write a run to its end, whatever that is. */
  async write(run, view) {
    this.aborter = new AbortController();
    const { signal } = this.aborter;
    this.composer.setBusy(true, true);
    this.composer.say(`Writing ${count(run.samples.length)}.`);
    try {
      await this.follow(run, view, signal);
      run.end("cut");
    } catch (error) {
      run.end(signal.aborted ? "stopped" : "cut", signal.aborted ? null : asFailure(error));
    }
    this.aborter = null;
    view.draw();
    this.composer.setBusy(false);
  }

  async follow(run, view, signal) {
    for await (const chunk of stream(pathOf(run.settings), run.body, signal)) {
      const isFirst = run.tokens === 0;
      run.take(chunk);
      if (isFirst && run.tokens && run.settings.mode === "chat") this.answered(run);
      view.queue();
    }
  }

  /** The message has an answer: the composer is free for the next. */
  answered(run) {
    if (this.composer.prompt === run.settings.prompt) this.composer.prompt = "";
  }

  stop() {
    this.aborter?.abort();
  }
}

const count = (n) => (n === 1 ? "one sample" : `${n} samples`);

/** Return what came of a run, in a sentence; of a failure a notice tells. */
export function report(run) {
  if (run.failure) return "";
  const share = run.share === null ? "" : `, ${Math.round(100 * run.share)}% by base`;
  return `${run.wasStopped ? "Stopped" : "Written"}: ${count(run.samples.length)}${share}.`;
}
