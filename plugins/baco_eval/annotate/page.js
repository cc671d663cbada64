"use strict";
(() => {
  const {export: exported, rater} = document.body.dataset;
  const place = `ratings ${exported} ${rater}`;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const items = all(".item");
  const finish = one("#finish");
  const total = items.length;
  let kept = read();
  let current = 0;

  // What is kept: the answers by the name of their question, and what the last download had.
  function read() {
    try {
      const found = JSON.parse(localStorage.getItem(place));
      return found && found.answers ? found : {answers: {}, downloaded: "{}"};
    } catch {
      return {answers: {}, downloaded: "{}"};
    }
  }

  function keep() {
    try {
      localStorage.setItem(place, JSON.stringify(kept));
      return true;
    } catch {
      return false;
    }
  }

  const questions = item => all("fieldset", item);
  const answer = group => kept.answers[one("input", group).name] ?? null;
  const isDone = item => questions(item).every(group => answer(group) !== null);
  const isBegun = item => questions(item).some(group => answer(group) !== null);
  const isSafe = () => JSON.stringify(kept.answers) === kept.downloaded;
  const say = text => { one("#status").textContent = text; };

  function showAnswers() {
    for (const input of all("#ratings input")) {
      input.checked = kept.answers[input.name] === input.value;
    }
    all(".scale").forEach(group => showMeaning(one("input:checked", group), group));
    showProgress();
  }

  function showMeaning(input, group) {
    one(".means", group).textContent = input ? `${input.value}: ${input.dataset.means}` : "";
  }

  function showProgress() {
    const done = items.filter(isDone).length;
    one("#progress").textContent = `${done} of ${total} items done`;
    one("progress").value = done;
    one("#told").textContent = done === total
      ? `All ${total} items are rated. Thank you!`
      : `${done} of ${total} items are rated. These have questions left:`;
    one("#open").replaceChildren(...items.map((item, index) => ({item, index}))
      .filter(({item}) => !isDone(item))
      .map(({index}) => {
        const entry = document.createElement("li");
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = `Item ${index + 1}`;
        button.addEventListener("click", () => go(index));
        entry.append(button);
        return entry;
      }));
  }

  function show(index) {
    current = Math.max(0, Math.min(index, total));
    items.forEach((item, at) => { item.hidden = at !== current; });
    finish.hidden = current !== total;
    one("#back").disabled = current === 0;
    one("#next").hidden = current === total;
  }

  function go(index) {
    one("#guide").open = false;
    show(index);
    const heading = one("h2", current === total ? finish : items[current]);
    heading.focus({preventScroll: true});
    heading.scrollIntoView();
    say("");
  }

  // After an answer: the next question of the item, and after the last one the button.
  function forward(group) {
    const groups = questions(items[current]);
    const next = groups[groups.indexOf(group) + 1];
    (next ? one("input:checked", next) ?? one("input", next) : one("#next")).focus();
  }

  function ratings() {
    const found = {};
    for (const item of items.filter(isBegun)) {
      const id = item.dataset.item;
      const entry = {sets: {}, preference: kept.answers[`${id}.preference`] ?? null};
      for (const group of all(".scale", item)) {
        const [, letter, scale] = one("input", group).name.split(".");
        const mark = answer(group);
        (entry.sets[letter] ??= {})[scale] = mark === null ? null : Number(mark);
      }
      found[id] = entry;
    }
    return {format: 1, export: exported, rater, ratings: found};
  }

  function download() {
    const file = new Blob([JSON.stringify(ratings(), null, 1) + "\n"], {type: "application/json"});
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `ratings-${exported.slice(0, 8)}-${rater}.json`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    kept.downloaded = JSON.stringify(kept.answers);
    keep();
    const begun = items.filter(item => isBegun(item) && !isDone(item)).length;
    const left = items.filter(item => !isBegun(item)).length;
    const lacking = [begun && `${begun} with questions left`, left && `${left} not begun`].filter(Boolean);
    say(`Downloaded ${link.download}.` + (lacking.length ? ` Items: ${lacking.join(", ")}.` : ""));
  }

  document.addEventListener("change", event => {
    const input = event.target;
    if (!input.matches("#ratings input")) return;
    kept.answers[input.name] = input.value;
    const group = input.closest("fieldset");
    if (group.matches(".scale")) showMeaning(input, group);
    say(keep() ? "Kept in this browser." : "This browser keeps nothing: download before you leave.");
    showProgress();
  });

  document.addEventListener("focusin", event => {
    const group = event.target.closest(".scale");
    if (group) showMeaning(event.target, group);
  });
  document.addEventListener("focusout", event => {
    const group = event.target.closest(".scale");
    if (group) showMeaning(one("input:checked", group), group);
  });

  document.addEventListener("keydown", event => {
    const group = event.target.closest("fieldset");
    if (!group || event.ctrlKey || event.altKey || event.metaKey) return;
    const chosen = all("input", group).find(input => input.dataset.key === event.key.toLowerCase());
    if (chosen) {
      chosen.checked = true;
      chosen.dispatchEvent(new Event("change", {bubbles: true}));
    }
    if (chosen || event.key === "Enter") {
      event.preventDefault();
      forward(group);
    }
  });

  one("#ratings").addEventListener("submit", event => event.preventDefault());
  one("#back").addEventListener("click", () => go(current - 1));
  one("#next").addEventListener("click", () => go(current + 1));
  all(".download").forEach(button => button.addEventListener("click", download));
  one("#forget").addEventListener("click", () => {
    if (!confirm("Delete all answers of this page from this browser?")) return;
    kept = {answers: {}, downloaded: "{}"};
    keep();
    showAnswers();
    go(0);
  });
  addEventListener("storage", event => {
    if (event.key !== place) return;
    kept = read();
    showAnswers();
  });
  addEventListener("beforeunload", event => {
    if (isSafe()) return;
    event.preventDefault();
    event.returnValue = true; // older browsers
  });
  addEventListener("beforeprint", () => { one("#guide").open = true; });

  document.body.classList.add("live");
  showAnswers();
  const begun = items.findIndex(item => !isDone(item));
  show(begun < 0 ? total : begun);
  one("#guide").open = Object.keys(kept.answers).length === 0;
})();
