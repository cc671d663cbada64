/** The page as a whole: from a prompt to a run, and what follows it. */

import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { byId } from "./dom.js";
import { Failure } from "./failure.js";
import { askForKey } from "./keyform.js";
import { fromFragment } from "./link.js";
import { clearNotice, showFailure } from "./notice.js";
import { shown } from "./number.js";
import { Opening } from "./opening.js";
import { bodyOf, randomSeed } from "./request.js";
import { Run } from "./run.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";
import { report, Writer } from "./writer.js";

export class Playground {
  constructor() {
    this.chat = new Chat();
    this.composer = new Composer({
      onwrite: () => this.write(),
      onstop: () => this.writer.stop(),
      onnew: () => this.startOver(),
      onmode: () => this.startOver(),
    });
    this.writer = new Writer(this.composer);
    this.settings = new Settings(() => this.offerRewrite(), () => this.turned());
    this.stage = new Stage({
      again: () => this.rewrite(randomSeed()),
      rewrite: () => this.rewrite(this.stage.run.body.seed),
      onpick: (text) => this.pick(text),
      onshow: () => this.offerRewrite(),
    });
    this.era = 0; // a new one begins where what is being written is of no use any more
    document.addEventListener("keydown", (event) => this.key(event));
    addEventListener("hashchange", () => this.open(location.hash));
  }

  /** Ask the server what it has, then show it. */
  begin() {
    return new Opening(this.composer, (models, routers) => this.ready(models, routers)).begin();
  }

  ready(models, routers) {
    this.settings.offer(models, routers);
    this.open(location.hash);
    if (!this.stage.run) this.rest();
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.write();
    }
    if (event.key === "Escape" && !byId("copying").open) {
      this.stage.inspector.hide();
      this.writer.stop();
    }
  }

  startOver() {
    this.writer.stop();
    this.chat.clear();
    this.stage.leave();
    this.era += 1;
    this.composer.say("");
    clearNotice();
    this.rest();
  }

  rest() {
    this.stage.rest(this.chat.turns.length === 0);
  }

  pick(text) {
    this.composer.prompt = text;
    this.write();
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
    const { run } = this.stage;
    const settings = this.read();
    if (!settings || !run) return;
    const prompt = (settings.mode === "prompt" && this.composer.prompt) || run.settings.prompt;
    this.perform({ ...settings, prompt }, run.messages, seed);
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
    const { run, view } = this.stage;
    if (!run) return;
    this.chat.settle(run, view.cards[run.chosen].text);
    this.stage.leave();
  }

  async perform(settings, messages, seed) {
    const { era } = this;
    const { run: before } = this.stage;
    const run = new Run(settings, bodyOf({ ...settings, seed }, messages));
    run.messages = messages;
    this.stage.show(run);
    this.stage.reveal();
    await this.writer.write(run, this.stage.view);
    if (this.era !== era) return;
    this.composer.say(report(run));
    if (run.tokens === 0 && (run.failure || run.wasStopped) && this.stage.run === run) this.undo(before);
    this.stage.keep(run);
    this.offerRewrite();
    if (run.failure) this.fail(run.failure, () => this.perform(settings, messages, seed));
    else if (!run.wasStopped) this.turned(); // perhaps the knob was turned meanwhile
  }

  /** Nothing came: what stood there before stands there again. */
  undo(before) {
    if (before) this.stage.show(before);
    else this.rest();
  }

  fail(failure, retry) {
    if (failure.kind === "key") askForKey(retry);
    else showFailure(failure, retry);
  }

  /** Take over the settings of a link. Nothing is written before somebody says so. */
  open(hash) {
    const settings = fromFragment(hash);
    if (!Object.keys(settings).length || !this.settings.models.length) return;
    if (["prompt", "chat"].includes(settings.mode)) this.composer.setMode(settings.mode);
    this.startOver();
    const missing = this.settings.write(settings);
    if (settings.messages && this.composer.mode === "chat") this.chat.restore(settings.messages);
    this.composer.prompt = settings.prompt ?? "";
    this.composer.focus();
    const but = missing.length ? `, but this server has no ${missing.join(", no ")}` : "";
    this.composer.say(`The settings of the link are set${but}. Write when you like.`);
  }

  /** The knob was turned. */
  turned() {
    this.offerRewrite();
    const { run } = this.stage;
    const isNew = run?.ended && run.settings.gamma !== this.settings.knob.value;
    if (isNew && byId("follow").checked) this.rewrite(run.body.seed);
  }

  offerRewrite() {
    const { run } = this.stage;
    if (!run) return;
    const { router, gamma } = run.settings;
    const now = { router: byId("router").value, gamma: this.settings.knob.value };
    const differs = run.ended && (router !== now.router || gamma !== now.gamma);
    const name = now.gamma === null || router !== now.router ? now.router : `gamma ${shown(now.gamma)}`;
    this.stage.offer(differs ? name : null, !run.ended || this.composer.isBusy);
  }
}
