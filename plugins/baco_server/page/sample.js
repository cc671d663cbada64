/** One text in the making: its words, and who wrote them. */

/** A word is a stretch of tokens by one author: `{source, text, tokens}`. */
export class Sample {
  constructor(index) {
    this.index = index;
    this.words = [];
    this.text = "";
    this.tokens = 0;
    this.baseTokens = 0;
    this.finish = null; // stop, length, cut, failed; null while it is being written
    this.toldShare = null;
  }

  /** Fraction of tokens by base: the server's figure once there is one. */
  get share() {
    return this.toldShare ?? (this.tokens ? this.baseTokens / this.tokens : null);
  }

  add(token) {
    const last = this.words.at(-1);
    this.text += token.text;
    if (token.source === null) token = { ...token, source: last?.source ?? null }; // text that was held back
    else {
      this.tokens += 1;
      this.baseTokens += token.source === "base";
    }
    if (last && goesOn(last, token)) {
      last.text += token.text;
      last.tokens.push(token);
    } else if (token.text) this.words.push({ source: token.source, text: token.text, tokens: [token] });
  }

  end(finish, baco = null) {
    this.finish ??= finish;
    this.toldShare = baco?.base_share ?? this.toldShare;
  }
}

/** A word ends at a space, where the author changes, and where the router decided anew. */
function goesOn(word, token) {
  if (token.text === "") return true;
  const apart = /^\s/u.test(token.text) || /\s$/u.test(word.text);
  const { signal, reason } = token.trace;
  return !apart && token.source === word.source && signal === null && reason === null;
}
