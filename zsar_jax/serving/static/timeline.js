// Scores along the video, as lines over a ribbon of the best name. Pointer, arrow keys and the player move one cursor.

import { color, drawn, element, number } from "./dom.js";

const WIDE = { width: 720, height: 220, left: 34, right: 6, top: 8, bottom: 46, ribbon: 14 };
const NARROW = { ...WIDE, width: 360, height: 220 };
const MOST = 5; // lines
const LEADING = 3; // of them the first of the ranking, whatever comes along the video

// The names that are drawn, in the order of their colours: the first of the ranking, then those that most windows are nearest to.
export function drawnNames(found) {
  const ranked = found.ranking.map((one) => one.name);
  if (!found.timeline) return ranked.slice(0, MOST);
  const wins = new Map();
  for (const row of found.timeline.scores) {
    const name = found.classes[bestAt(row)].name;
    wins.set(name, (wins.get(name) ?? 0) + 1);
  }
  const winners = [...wins].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  return [...new Set([...ranked.slice(0, LEADING), ...winners, ...ranked])].slice(0, MOST);
}

export function timeline(found, names, player) {
  const { start, end, scores } = found.timeline;
  const order = found.classes.map((one) => one.name);
  const lines = names.map((name) => scores.map((row) => row[order.indexOf(name)]));
  const best = scores.map((row) => names.indexOf(order[bestAt(row)])); // -1: one that is not drawn
  const size = window.matchMedia("(max-width: 56rem)").matches ? NARROW : WIDE;
  const plot = scales(size, start, end, lines);

  const window_ = drawn("rect", { class: "window", y: size.top, height: plot.bottom - size.top + size.ribbon + 6, visibility: "hidden" });
  const now = drawn("line", { class: "now", y1: size.top, y2: plot.bottom + size.ribbon + 6, visibility: "hidden" });
  const picture = drawn("svg", { viewBox: `0 0 ${size.width} ${size.height}`, "aria-hidden": "true" },
    ...axes(size, plot), ...ribbon(size, plot, best), ...names.map((_, k) => line(plot, lines[k], k)).reverse(), window_, now);
  const readout = element("p", { class: "readout", "aria-hidden": "true" });
  const chart = element("div", {
    class: "chart", tabindex: "0", role: "slider", "aria-label": "Scores along the video; arrow keys move through it",
    "aria-valuemin": "1", "aria-valuemax": String(start.length), "aria-orientation": "horizontal",
  }, picture);

  let at = 0;
  function point(index, seek) {
    at = Math.min(start.length - 1, Math.max(0, index));
    window_.setAttribute("x", plot.x(start[at]));
    window_.setAttribute("width", Math.max(2, plot.x(end[at]) - plot.x(start[at])));
    window_.setAttribute("visibility", "visible");
    const ranked = names.map((name, k) => [name, lines[k][at], k]).sort((a, b) => b[1] - a[1]);
    const time = `${start[at].toFixed(1)} to ${end[at].toFixed(1)} s`;
    readout.replaceChildren(element("b", {}, time),
      ...ranked.map(([name, score, k]) => element("span", { class: `key ${color(k)}` }, `${name} ${number(score)}`)));
    chart.setAttribute("aria-valuenow", at + 1);
    chart.setAttribute("aria-valuetext", `${time}: ${ranked.map(([name, score]) => `${name} ${number(score)}`).join(", ")}`);
    if (seek && player.readyState) player.currentTime = Math.min((start[at] + end[at]) / 2, player.duration || Infinity);
  }
  const under = (event) => {
    const box = picture.getBoundingClientRect();
    return plot.nearest(((event.clientX - box.left) / box.width) * size.width);
  };
  chart.addEventListener("pointermove", (event) => point(under(event), false));
  chart.addEventListener("click", (event) => point(under(event), true));
  chart.addEventListener("keydown", (event) => {
    const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: start.length - 1, PageUp: at + 5, PageDown: at - 5 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to, true);
  });
  player.ontimeupdate = () => {
    now.setAttribute("visibility", "visible");
    for (const side of ["x1", "x2"]) now.setAttribute(side, plot.x(Math.min(player.currentTime, plot.last)));
  };
  point(bestAt(lines[0]), false);
  return [
    element("h3", {}, "Along the video"),
    chart,
    readout,
    element("p", { class: "fine" }, `Cosine of each of ${start.length} ${start.length === 1 ? "window" : "windows"} with the names; the ribbon shows the nearest name${best.includes(-1) ? ", grey where it is another one" : ""}. Click, or use the arrow keys, to move the video there.`),
  ];
}

const bestAt = (scores) => scores.indexOf(Math.max(...scores));

function scales(size, start, end, lines) {
  const last = Math.max(...end, 0.1);
  const middles = start.map((from, at) => (from + end[at]) / 2);
  const all = lines.flat();
  const step = niceStep(Math.max(...all) - Math.min(...all), 5);
  const low = Math.floor(Math.min(...all) / step) * step;
  const high = Math.max(Math.ceil(Math.max(...all) / step) * step, low + step);
  const bottom = size.height - size.bottom;
  const x = (seconds) => size.left + ((size.width - size.left - size.right) * seconds) / last;
  return {
    last, middles, low, high, step, bottom, x,
    y: (score) => bottom - ((bottom - size.top) * (score - low)) / (high - low),
    nearest: (at) => middles.reduce((found, middle, index) => (Math.abs(x(middle) - at) < Math.abs(x(middles[found]) - at) ? index : found), 0),
  };
}

function niceStep(range, parts) {
  const rough = Math.max(range, 1e-3) / parts;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
}

function axes(size, plot) {
  const digits = Math.max(0, -Math.floor(Math.log10(plot.step) + 1e-9));
  const made = [];
  for (let n = 0; plot.low + n * plot.step <= plot.high + 1e-9; n++) {
    const score = plot.low + n * plot.step;
    made.push(drawn("line", { class: "grid", x1: size.left, x2: size.width - size.right, y1: plot.y(score), y2: plot.y(score) }));
    made.push(drawn("text", { x: size.left - 6, y: plot.y(score) + 4, "text-anchor": "end" }, score.toFixed(digits).replace("-", "\u2212")));
  }
  const step = niceStep(plot.last, 6);
  const decimals = step < 1 ? Math.ceil(-Math.log10(step)) : 0;
  for (let n = 0; n * step <= plot.last + 1e-9; n++) {
    const seconds = n * step;
    const anchor = n === 0 ? "start" : plot.x(seconds) > size.width - size.right - 12 ? "end" : "middle";
    const unit = (n + 1) * step > plot.last + 1e-9 ? " s" : "";
    made.push(drawn("text", { x: plot.x(seconds), y: size.height - 6, "text-anchor": anchor }, seconds.toFixed(decimals) + unit));
  }
  return made;
}

// Cells meet halfway between the middles of two windows: windows may overlap.
function ribbon(size, plot, best) {
  const edges = plot.middles.map((middle, at) => (at ? (plot.middles[at - 1] + middle) / 2 : 0)).concat(plot.last);
  return best.map((k, at) => drawn("rect", {
    class: `cell ${color(k)}`, x: plot.x(edges[at]), y: plot.bottom + 6, height: size.ribbon, width: Math.max(0.5, plot.x(edges[at + 1]) - plot.x(edges[at]) + 0.3),
  }));
}

function line(plot, scores, k) {
  const points = plot.middles.map((middle, at) => `${plot.x(middle).toFixed(1)},${plot.y(scores[at]).toFixed(1)}`);
  const dots = points.length <= 24 ? points.map((each) => drawn("circle", { class: "dot", cx: each.split(",")[0], cy: each.split(",")[1], r: 3.5 })) : [];
  return drawn("g", { class: color(k) }, drawn("polyline", { class: "line", points: points.join(" ") }), ...dots);
}
