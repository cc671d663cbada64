/** The beginning of a visit: what the server has, as soon as it can tell. */

import { asFailure } from "./failure.js";
import { askForKey } from "./keyform.js";
import { clearNotice, showFailure, showWait } from "./notice.js";
import { list } from "./server.js";

const LOADING = 2000; // milliseconds between two looks at a server that loads its models

/** Keeps the composer busy until the server is ready; then calls `onready` with its models and routers. */
export class Opening {
  constructor(composer, onready) {
    this.composer = composer;
    this.onready = onready;
  }

  async begin() {
    this.busy("Asking the server what it has.");
    try {
      const [models, routers] = await Promise.all([list("v1/models"), list("v1/routers")]);
      if (models.length && models.every(({ baco }) => baco?.ready === false)) this.wait();
      else this.end(models, routers);
    } catch (error) {
      this.fail(asFailure(error));
    }
  }

  end(models, routers) {
    clearNotice();
    this.composer.setBusy(false);
    this.composer.say("");
    this.onready(models, routers);
  }

  fail(failure) {
    this.busy("");
    if (failure.kind === "key") askForKey(() => this.begin());
    else if (failure.kind === "closing") this.wait();
    else showFailure(failure, () => this.begin());
  }

  busy(text) {
    this.composer.setBusy(true);
    this.composer.say(text);
  }

  wait() {
    this.busy("");
    showWait("The server is getting ready", "It loads its models. This page looks again every two seconds.");
    setTimeout(() => this.begin(), LOADING);
  }
}
