"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Light and dark: what the system says until somebody chooses.
  const root = document.documentElement, toggle = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => { toggle.textContent = isDark() ? "Light page" : "Dark page"; };
  toggle.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; label(); });
  system.addEventListener("change", label);
  label();
  for (const control of [toggle, ...all(".search, [data-open], [data-svg]")]) control.hidden = false;

  // Search: every word must occur in the row.
  for (const input of all("[data-filter]")) {
    const rows = all("tbody tr, [data-item]", document.getElementById(input.dataset.filter));
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const found = input.closest(".search").querySelector("output");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        shown += !row.hidden;
      });
      found.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
    });
  }

  // Sorting: numbers from the largest first, words from a to z; what is missing stays last.
  const sortBy = (table, column, head) => {
    const numeric = head.classList.contains("num"), before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric, body = table.tBodies[0];
    for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.sort;
    const compare = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b)) * (down ? -1 : 1);
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([a], [b]) => (a === "" || b === "" ? (a === "") - (b === "") : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of all(".sortable table")) {
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, column, head));
    });
  }

  // A figure as a file of its own.
  for (const link of all("[data-svg]")) {
    link.addEventListener("click", () => {
      const text = new XMLSerializer().serializeToString(link.closest("figure").querySelector("svg"));
      const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
      link.href = url;
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    });
  }

  // A figure, large: the drawing itself moves into the dialog and back, so that its ids stay unique.
  const viewer = document.getElementById("viewer"), stage = viewer.querySelector(".stage");
  let shown = null;
  const fit = () => {
    const [, , width, height] = shown.svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    return Math.min(stage.clientWidth - 32, (stage.clientHeight - 32) * width / height);
  };
  const zoom = (factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
    const old = shown.svg.getBoundingClientRect(), box = stage.getBoundingClientRect();
    const scale = Math.min(Math.max(shown.scale * factor, 0.5), 16);
    const left = (x + box.left - old.left) / old.width, top = (y + box.top - old.top) / old.height;
    shown.scale = scale;
    shown.svg.style.width = `${fit() * scale}px`;
    const now = shown.svg.getBoundingClientRect();
    stage.scrollLeft += now.left + left * now.width - x - box.left;
    stage.scrollTop += now.top + top * now.height - y - box.top;
  };
  const open = (figure) => {
    const svg = figure.querySelector("svg"), home = svg.parentNode;
    home.style.minHeight = `${home.offsetHeight}px`;
    shown = { svg, home, scale: 1, style: svg.getAttribute("style") };
    viewer.querySelector("#viewer-title").textContent = figure.querySelector("h3").textContent;
    stage.replaceChildren(svg);
    viewer.showModal();
    Object.assign(svg.style, { minWidth: "0", maxWidth: "none", width: `${fit()}px` });
    stage.focus();
  };
  viewer.addEventListener("close", () => {
    if (shown.style === null) shown.svg.removeAttribute("style"); else shown.svg.setAttribute("style", shown.style);
    shown.home.append(shown.svg);
    shown.home.style.minHeight = "";
    shown = null;
  });
  for (const button of all("[data-open]")) {
    button.addEventListener("click", () => open(document.getElementById(button.dataset.open)));
  }
  for (const drawing of all(".drawing")) drawing.addEventListener("click", () => open(drawing.closest("figure")));
  viewer.querySelector("[data-close]").addEventListener("click", () => viewer.close());
  for (const button of all("[data-zoom]", viewer)) {
    const step = { in: 1.25, out: 0.8 }[button.dataset.zoom];
    button.addEventListener("click", () => zoom(step || 1 / shown.scale));
  }
  viewer.addEventListener("keydown", (event) => {
    const step = { "+": 1.25, "=": 1.25, "-": 0.8, 0: 1 / (shown ? shown.scale : 1) }[event.key];
    if (step && !event.ctrlKey && !event.metaKey) zoom(step);
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  // One pointer drags (touch scrolls by itself), two pinch.
  const held = new Map();
  const gap = () => { const [a, b] = [...held.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };
  stage.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (event.pointerType === "mouse") stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const apart = held.size === 2 ? gap() : 0, now = { x: event.clientX, y: event.clientY };
    held.set(event.pointerId, now);
    if (apart) {
      const [a, b] = [...held.values()], box = stage.getBoundingClientRect();
      zoom(gap() / apart, (a.x + b.x) / 2 - box.left, (a.y + b.y) / 2 - box.top);
    } else if (event.pointerType === "mouse") {
      stage.scrollBy(before.x - now.x, before.y - now.y);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => held.delete(event.pointerId));

  // Paper has no summaries to click.
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); for (const each of closed) each.open = true; });
  addEventListener("afterprint", () => { for (const each of closed) each.open = false; });
})();
