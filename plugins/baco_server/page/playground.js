/** The page as a whole: from a prompt to a run, and what follows it. */

import { wordAt } from "./card.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { byId } from "./dom.js";
import { Failure } from "./failure.js";
import { Inspector } from "./inspector.js";
import { storedKey } from "./key.js";
import { askForKey, dropKeyForm } from "./keyform.js";
import { Ledger } from "./ledger.js";
import { fromFragment, toFragment } from "./link.js";
import { clearNotice, showFailure, showWait } from "./notice.js";
import { bodyOf, curlOf, pathOf, randomSeed } from "./request.js";
import { Run } from "./run.js";
import { address, list, stream } from "./server.js";
import { Settings } from "./settings.js";
import { toolsOf } from "./tools.js";
import { View } from "./view.js";
import { welcome } from "./welcome.js";

const LOADING = 2000; // milliseconds between two looks at a server that loads its models

export class Playground {
  constructor() {
    this.chat = new Chat();
    this.composer = new Composer({
      onwrite: () => this.write(),
      onstop: () => this.stop(),
      onnew: () => this.startOver(),
      onmode: () => this.startOver(),
    });
    this.ledger = new Ledger((run) => this.show(run));
    this.settings = new Settings(() => this.offerRewrite(), () => this.turned());
    this.inspector = new Inspector(byId("results"), wordAt);
    this.tools = toolsOf(this.acts());
    this.run = null; // the run on show
    this.aborter = null; // of the run being written
    this.era = 0; // a new one begins where what is being written is of no use any more
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => this.open(location.hash));
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.write();
    }
    if (event.key === "Escape" && !byId("copying").open) {
      this.inspector.hide();
      this.stop();
    }
  }

  /** Ask the server what it has, then show it. */
  async begin() {
    this.composer.setBusy(true, "Asking the server what it has.");
    try {
      const [models, routers] = await Promise.all([list("v1/models"), list("v1/routers")]);
      if (models.length && models.every(({ baco }) => baco?.ready === false)) return this.wait();
      this.settings.offer(models, routers);
      clearNotice();
      this.composer.setBusy(false, "");
      this.open(location.hash);
      if (!this.run) this.rest();
    } catch (error) {
      this.beginLater(asFailure(error));
    }
    return undefined;
  }

  beginLater(failure) {
    this.composer.setBusy(true, "");
    if (failure.kind === "key") return askForKey(() => this.begin());
    return failure.kind === "closing" ? this.wait() : showFailure(failure, () => this.begin());
  }

  wait() {
    this.composer.setBusy(true, "");
    showWait("The server is getting ready", "It loads its models. This page looks again every two seconds.");
    return setTimeout(() => this.begin(), LOADING);
  }

  startOver() {
    this.stop();
    this.chat.clear();
    this.ledger.clear();
    this.run = null;
    this.era += 1;
    clearNotice();
    this.rest();
  }

  /** Show the empty state. */
  rest() {
    const pick = (text) => {
      this.composer.prompt = text;
      this.write();
    };
    byId("run").replaceChildren(...(this.chat.turns.length ? [] : [welcome(pick)]));
  }

  /** Write what stands in the composer. */
  write() {
    const { isBusy, mode, prompt } = this.composer;
    if (isBusy) return;
    if (!prompt) {
      this.composer.focus();
      this.composer.say("Write a prompt first.");
      return;
    }
    const settings = this.read();
    if (!settings) return;
    if (mode === "chat") this.settle();
    const messages = mode === "chat" ? this.chat.messages(prompt) : [];
    this.perform({ ...settings, prompt }, messages, settings.seed ?? randomSeed());
  }

  /** Write what is on show once more: with the settings as they are now, from the seed given. */
  rewrite(seed) {
    const settings = this.read();
    if (!settings || !this.run) return;
    const prompt = (settings.mode === "prompt" && this.composer.prompt) || this.run.settings.prompt;
    this.perform({ ...settings, prompt }, this.run.messages, seed);
  }

  read() {
    if (this.composer.isBusy || !this.settings.check()) return null;
    try {
      return { mode: this.composer.mode, ...this.settings.read() };
    } catch (error) {
      showFailure(new Failure("refused", "An option is no JSON", error.message));
      return null;
    }
  }

  /** In a conversation the chosen text of the last run is settled before the next. */
  settle() {
    if (!this.run) return;
    this.chat.settle(this.run, this.view.cards[this.run.chosen].text);
    this.run = null;
    this.ledger.clear();
  }

  async perform(settings, messages, seed) {
    const { run: before, era } = this;
    const run = new Run(settings, bodyOf({ ...settings, seed }, messages));
    run.messages = messages;
    this.show(run);
    this.reveal();
    await this.follow(run);
    if (this.era !== era) return;
    if (run.tokens === 0 && run.failure && this.run === run) this.undo(before);
    this.ledger.add(run);
    this.ledger.show(this.run);
    this.offerRewrite();
    if (run.failure) this.fail(run.failure, () => this.perform(settings, messages, seed));
    else if (!run.wasStopped) this.turned(); // perhaps the knob was turned meanwhile
  }

  /** Where the texts begin below the fold (a phone, a long conversation), go there. */
  reveal() {
    const { head } = this.view;
    const { top } = head.getBoundingClientRect();
    if (top < 0 || top > 0.6 * innerHeight) head.scrollIntoView({ block: "start" });
  }

  async follow(run) {
    this.aborter = new AbortController();
    const { signal } = this.aborter;
    const { view } = this;
    this.composer.setBusy(true, `Writing ${count(run.samples.length)}.`, true);
    try {
      for await (const chunk of stream(pathOf(run.settings), run.body, signal)) {
        if (run.settings.mode === "chat" && run.tokens === 0) this.sent(run);
        run.take(chunk);
        view.queue();
      }
      run.end("cut");
    } catch (error) {
      run.end(signal.aborted ? "stopped" : "cut", signal.aborted ? null : asFailure(error));
    }
    this.aborter = null;
    view.draw();
    this.composer.setBusy(false, run.failure ? "" : report(run));
  }

  /** The message is on its way: the composer is free for the next. */
  sent(run) {
    if (this.composer.prompt === run.settings.prompt) this.composer.prompt = "";
  }

  /** Nothing came: what stood there before stands there again. */
  undo(before) {
    this.run = null;
    if (before) this.show(before);
    else this.rest();
  }

  fail(failure, retry) {
    if (failure.kind === "key") askForKey(retry);
    else showFailure(failure, retry);
  }

  /** Show a run, one being written or an earlier one. The tools stay where they are, and so does the focus. */
  show(run) {
    clearNotice();
    dropKeyForm();
    this.inspector.hide();
    const shown = this.view;
    this.run = run;
    this.view = new View(run);
    if (this.tools.bar.isConnected) {
      shown.head.replaceWith(this.view.head);
      shown.grid.replaceWith(this.view.grid);
    } else byId("run").replaceChildren(this.view.head, this.tools.bar, this.view.grid, this.ledger.node);
    this.ledger.show(run);
    this.offerRewrite();
  }

  acts() {
    return {
      again: () => this.rewrite(randomSeed()),
      rewrite: () => this.rewrite(this.run.body.seed),
      texts: () => this.run.samples.map((sample) => sample.text.trim()).join("\n\n---\n\n"),
      curl: () => curlOf(address(pathOf(this.run.settings)), this.run.body, storedKey() !== ""),
      link: () => this.link(this.run),
    };
  }

  link(run) {
    const earlier = run.settings.mode === "chat" ? run.messages.slice(0, -1) : [];
    const fragment = toFragment({ ...run.settings, seed: run.body.seed, messages: earlier });
    history.replaceState(null, "", `#${fragment}`);
    return location.href;
  }

  /** Take over the settings of a link. Nothing is written before somebody says so. */
  open(hash) {
    const settings = fromFragment(hash);
    if (!Object.keys(settings).length || !this.settings.models.length) return;
    if (["prompt", "chat"].includes(settings.mode)) this.composer.setMode(settings.mode);
    this.startOver();
    this.settings.write(settings);
    if (settings.messages && this.composer.mode === "chat") this.chat.restore(settings.messages);
    this.composer.prompt = settings.prompt ?? "";
    this.composer.focus();
    this.composer.say("The settings of the link are set. Write when you like.");
  }

  /** The knob was turned. */
  turned() {
    this.offerRewrite();
    const isNew = this.run?.ended && this.run.settings.gamma !== this.settings.knob.value;
    if (isNew && byId("follow").checked) this.rewrite(this.run.body.seed);
  }

  offerRewrite() {
    if (!this.run) return;
    const { again, turned } = this.tools;
    const { router, gamma } = this.run.settings;
    const now = { router: byId("router").value, gamma: this.settings.knob.value };
    const differs = this.run.ended && (router !== now.router || gamma !== now.gamma);
    if (!differs && document.activeElement === turned) again.focus();
    turned.hidden = !differs;
    const what = now.gamma === null || router !== now.router ? now.router : `gamma ${now.gamma}`;
    turned.textContent = `Rewrite with ${what}, same seed`;
  }

  stop() {
    this.aborter?.abort();
  }
}

const count = (n) => (n === 1 ? "one sample" : `${n} samples`);

function report(run) {
  const share = run.share === null ? "" : `, ${Math.round(100 * run.share)}% of it by base`;
  return `${run.wasStopped ? "Stopped" : "Written"}: ${count(run.samples.length)}${share}.`;
}

function asFailure(error) {
  if (error instanceof Failure) return error;
  console.error(error);
  return new Failure("page", "The page failed", String(error.message ?? error));
}
