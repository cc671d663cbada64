/** What stands where the texts are: the run on show, the tools over it, the runs before it; or the welcome. */

import { wordAt } from "./card.js";
import { byId } from "./dom.js";
import { Inspector } from "./inspector.js";
import { dropKeyForm } from "./keyform.js";
import { Ledger } from "./ledger.js";
import { clearNotice } from "./notice.js";
import { commandFor, linkTo, textsOf } from "./sharing.js";
import { toolsOf } from "./tools.js";
import { View } from "./view.js";
import { welcome } from "./welcome.js";

/** `again` and `rewrite` are what its buttons do; `onpick` gets an example of the welcome, `onshow` hears of another run. */
export class Stage {
  constructor({ again, rewrite, onpick, onshow }) {
    this.run = null;
    this.onpick = onpick;
    this.onshow = onshow;
    this.ledger = new Ledger((run) => this.show(run));
    this.inspector = new Inspector(byId("results"), wordAt);
    const shared = { texts: () => textsOf(this.run), curl: () => commandFor(this.run), link: () => linkTo(this.run) };
    this.tools = toolsOf({ again, rewrite, ...shared });
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
    this.onshow();
  }

  /** Where the texts begin below the fold (a phone, a long conversation), go there. */
  reveal() {
    const { head } = this.view;
    const { top } = head.getBoundingClientRect();
    if (top < 0 || top > 0.6 * innerHeight) head.scrollIntoView({ block: "start" });
  }

  /** A run has ended: it can be shown again. */
  keep(run) {
    this.ledger.add(run);
    this.ledger.show(this.run);
  }

  /** Forget the run on show and those before it; they stand there until something else does. */
  leave() {
    this.run = null;
    this.ledger.clear();
  }

  /** Show the welcome, or nothing where a conversation has begun. */
  rest(isNew) {
    this.run = null;
    byId("run").replaceChildren(...(isNew ? [welcome(this.onpick)] : []));
  }

  /** Offer to rewrite the run with what `name` says, or, where that is null, offer nothing. While busy nothing can be. */
  offer(name, busy) {
    const { again, turned } = this.tools;
    if (name === null && document.activeElement === turned) again.focus();
    again.setAttribute("aria-disabled", busy);
    turned.hidden = name === null;
    turned.textContent = `Rewrite with ${name}, same seed`;
  }
}
