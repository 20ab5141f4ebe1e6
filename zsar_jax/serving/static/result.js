// The answer: ranking, scores along the video, recipes.

import { bar, color, element, find, number, show } from "./dom.js";
import { seenBadge } from "./names.js";
import { drawnNames, timeline } from "./timeline.js";

const RECIPES = 2; // shown at once
const PARTS = 6; // of a recipe
let address = null; // of the answer as a file

export function showResult(found, player) {
  const classes = new Map(found.classes.map((one) => [one.name, one]));
  const names = drawnNames(found);
  const parts = [...headline(found), ranking(found, classes, names)];
  if (found.timeline && found.timeline.start.length) parts.push(...timeline(found, names, player));
  if (found.classes.some((one) => one.nearest_seen.length)) parts.push(...recipes(found, classes), nearest(found));
  if (found.notes.length) parts.push(element("ul", { class: "fine" }, ...found.notes.map((note) => element("li", {}, note))));
  parts.push(download(found));
  find("found").replaceChildren(...parts);
  show(find("empty"), false);
  show(find("found"), true);
  if (window.matchMedia("(max-width: 56rem)").matches) find("result").scrollIntoView({ block: "start" });
}

function headline(found) {
  const [best, second] = found.ranking;
  const lead = second ? `, ${number(best.score - second.score)} ahead of ${second.name}` : "";
  return [
    element("h2", { class: "answer", id: "result-title", tabindex: "-1" }, best.name),
    element("p", {}, `Nearest of ${found.classes.length} names to ${found.video} (${found.seconds.toFixed(1)} s, ${found.num_frames} frames): cosine ${number(best.score)}${lead}.`),
  ];
}

function ranking(found, classes, names) {
  const longest = Math.max(...found.ranking.map((one) => one.score), 1e-6);
  const items = found.ranking.map((one) => {
    const known = classes.get(one.name);
    const name = element("span", { class: "name" }, one.name);
    if (known.seen_as !== null) name.append(seenBadge(known));
    return element("li", {}, name, element("span", { class: "score" }, number(one.score)), bar(one.score / longest, color(names.indexOf(one.name))));
  });
  return element("ol", { class: "ranking", "aria-label": "Names, nearest first, with their cosine" }, ...items);
}

// What stands behind each name: the seen classes it is mixed of, or, where it is not, those that mean nearly the same.
function recipes(found, classes) {
  const composed = [...classes.values()].some((one) => one.recipe.length);
  const tables = found.ranking.map((one) => recipe(one.name, classes.get(one.name), composed));
  const rest = tables.slice(RECIPES);
  const why = composed
    ? "Each name stands for a mixture of classes that the model was trained on. Beside their shares: how near this video is to those classes."
    : "This model compares the video with the meaning of a name. Of the classes of the training these are nearest in meaning; beside them: how near this video is to them.";
  const body = [element("div", { class: "recipes" }, ...tables.slice(0, RECIPES))];
  if (rest.length) body.push(element("details", { class: "more" }, element("summary", {}, `The other ${rest.length}`), element("div", { class: "recipes" }, ...rest)));
  return [element("h3", {}, composed ? "What the names are made of" : "What is near the names"), element("p", { class: "fine" }, why), ...body];
}

function recipe(name, known, composed) {
  const parts = composed ? known.recipe : known.nearest_seen;
  const shown = parts.slice(0, PARTS);
  const left = !composed ? 0 : parts.slice(PARTS).reduce((sum, part) => sum + part.share, 0);
  const largest = Math.max(left, ...shown.map((part) => part.share ?? 1), 1e-6);
  const heads = ["Seen class", composed ? "Share" : "Meaning", "This video"].map((title, column) => element("th", { scope: "col", class: column ? "" : "name-column" }, title));
  const rows = shown.map((part) => element("tr", {},
    element("th", { scope: "row" }, part.name),
    element("td", {}, composed ? meter(part.share / largest, `${Math.round(100 * part.share)} %`) : meter(part.score, number(part.score))),
    element("td", {}, meter(part.video, number(part.video), "quiet-bar"))));
  if (composed && parts.length > PARTS) rows.push(element("tr", { class: "left" }, element("th", { scope: "row" }, `${parts.length - PARTS} more`), element("td", {}, meter(left / largest, `${Math.round(100 * left)} %`)), element("td", {})));
  return element("table", {}, element("caption", {}, name), element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
}

function meter(share, told, kind = "") {
  return element("div", { class: "meter" }, bar(share, kind), element("span", {}, told));
}

function nearest(found) {
  const items = found.nearest_seen.map((one) => element("tr", {}, element("th", { scope: "row", class: "name-column" }, one.name), element("td", {}, meter(one.score, number(one.score)))));
  const table = element("table", {}, element("caption", { class: "unseen" }, "Seen classes nearest to the video, with their cosine"), element("tbody", {}, ...items));
  return element("div", {}, element("h3", {}, "Seen classes nearest to this video"), table);
}

function download(found) {
  const file = new Blob([JSON.stringify(found, null, 1)], { type: "application/json" });
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  const link = element("a", { href: address, download: `${found.video}.json` }, "Download the answer (JSON)");
  return element("p", { class: "fine" }, link);
}
