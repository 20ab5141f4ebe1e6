// The names as they are typed: taken apart, asked about, shown.

import { element, find } from "./dom.js";

const PAUSE = 350; // milliseconds without a letter, before the server is asked
let asked = null;
let timer = 0;

export function typedNames() {
  return find("names").value.split(/[,\n]/).map((name) => name.trim()).filter((name) => name);
}

export function namesChanged() {
  clearTimeout(timer);
  asked?.abort();
  timer = setTimeout(check, PAUSE);
}

export function useNames(names) {
  find("names").value = names.join(", ");
  check();
}

async function check() {
  const names = typedNames();
  if (!names.length) return tell([], "");
  asked?.abort();
  asked = new AbortController();
  try {
    const answer = await fetch("/v1/classes", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ classes: names }),
      signal: asked.signal,
    });
    const found = await answer.json();
    if (!answer.ok) return tell([], found.problems.join(" ") || found.error);
    tell(found.classes, summary(found));
  } catch (error) {
    if (error.name !== "AbortError") tell([], "The names cannot be checked: the server does not answer.");
  }
}

function summary(found) {
  const unknown = found.classes.filter((one) => one.unknown.length).length;
  const seen = found.classes.filter((one) => one.seen_as !== null).length;
  const told = [`${found.classes.length} ${found.classes.length === 1 ? "name" : "names"}`];
  if (unknown) told.push(`${unknown} with a word that the model does not know`);
  if (seen) told.push(`${seen} seen in training`);
  const others = found.problems.filter((one) => !one.startsWith("class "));
  return [`${told.join(", ")}.`, ...(unknown ? [] : others.length ? others : found.problems)].join(" ");
}

function tell(classes, state) {
  find("chips").replaceChildren(...classes.map(chip));
  find("names-state").textContent = state;
}

function chip(one) {
  const unknown = one.unknown.length > 0;
  const item = element("li", { class: unknown ? "unknown" : "", title: unknown ? "" : `understood as: ${one.words.join(" ")}` }, one.name);
  if (one.seen_as !== null) item.append(seenBadge(one));
  for (const each of one.unknown) {
    item.append(": ", element("u", {}, each.word), each.suggestions.length ? " is not known. Perhaps " : " is not known");
    each.suggestions.forEach((word, index) => {
      item.append(index ? " " : "", element("button", { type: "button", onclick: () => replace(one.name, each.word, word) }, word));
    });
  }
  return item;
}

export function seenBadge(one) {
  return element("span", { class: "badge" }, one.seen_as === one.name ? "seen in training" : `seen in training as ${one.seen_as}`);
}

// The word stands in the name as it was typed, or in another form (walk, walking): then the whole name is replaced.
function replace(name, word, by) {
  const at = name.toLowerCase().indexOf(word);
  const mended = at < 0 ? by : name.slice(0, at) + by + name.slice(at + word.length);
  useNames(typedNames().map((each) => (each === name ? mended : each)));
  find("names").focus();
}
