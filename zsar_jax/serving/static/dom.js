// Elements from plain values. Text only ever becomes text: nothing that a user or a file wrote is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const find = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

export function show(node, visible) {
  node.hidden = !visible;
}

export const number = (value) => value.toFixed(2).replace("-", "\u2212");
// The colour of the names that are drawn; grey for any other.
export const color = (place) => (place >= 0 && place < 5 ? `k${place}` : "kx");

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A horizontal bar; share of its full length, 0 to 1.
export function bar(share, kind = "") {
  const width = `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
  return drawn("svg", { class: `bar ${kind}`, "aria-hidden": "true" },
    drawn("rect", { class: "back", width: "100%", height: "100%" }),
    drawn("rect", { class: "front", width, height: "100%" }));
}
