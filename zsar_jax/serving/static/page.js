// The form: a video, names, one question to the server.

import { element, find, show } from "./dom.js";
import { namesChanged, typedNames, useNames } from "./names.js";
import { showResult } from "./result.js";

let model = null;
let video = null;
let address = null; // of the preview
let request = null;

const megabytes = (bytes) => bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : `${bytes < 1e7 ? (bytes / 1e6).toFixed(1) : Math.round(bytes / 1e6)} MB`;

async function begin() {
  try {
    const answer = await fetch("/v1/model");
    if (!answer.ok) throw new Error();
    model = await answer.json();
  } catch {
    return showProblem("The server does not answer. Load the page again once it is up.");
  }
  const seen = model.seen_classes.length;
  find("about").textContent = `The model has watched ${seen} kinds of action. Drop a video and type other names: it tells which is nearest, from what the words mean.`;
  find("file-hint").textContent = `${model.suffixes.map((one) => one.slice(1)).join(", ")}; up to ${megabytes(model.max_bytes)} and ${length(model.max_seconds)}`;
  find("file").accept = ["video/*", ...model.suffixes].join(",");
  find("num-clips").placeholder = model.num_clips;
  const letters = model.vectors.startsWith("hash:") ? " They are made of letters: only words of the training mean anything." : "";
  find("model").textContent = `Model ${model.name}: ${model.method}, ${model.backbone}, ${(model.num_parameters / 1e6).toFixed(1)} million parameters, word vectors ${model.vectors}.${letters}`;
  show(find("examples"), model.examples.length > 1);
}

function length(seconds) {
  return seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 6) / 10} minutes`;
}

function choose(file) {
  const problem = refusal(file);
  find("file-problem").textContent = problem;
  show(find("file-problem"), problem !== "");
  if (problem) return;
  request?.abort(); // its answer would stand beside the new video
  video = file;
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  find("player").src = address;
  find("file-name").textContent = `${file.name}, ${megabytes(file.size)}`;
  const byKeyboard = document.activeElement === find("file"); // which is about to be hidden
  document.body.classList.add("has-video");
  show(find("preview"), true);
  show(find("player"), true);
  show(find("unplayable"), false);
  if (byKeyboard) find("again").focus();
  outdated();
}

// What is shown answers another question than the one in the form.
function outdated() {
  find("found").classList.add("stale");
}

// What can be told without sending it; the server looks for itself.
function refusal(file) {
  const name = file.name.toLowerCase();
  if (model && !model.suffixes.some((suffix) => name.endsWith(suffix))) {
    return `“${file.name}” is not a video of a type that is read: ${model.suffixes.map((one) => one.slice(1)).join(", ")}.`;
  }
  if (model && file.size > model.max_bytes) {
    return `“${file.name}” has ${megabytes(file.size)}; this server takes up to ${megabytes(model.max_bytes)}.`;
  }
  return file.size ? "" : `“${file.name}” is empty.`;
}

function ask(event) {
  event.preventDefault();
  if (request) return;
  const missing = [];
  if (!video) missing.push("Choose a video.");
  if (typedNames().length < 2) missing.push("Type at least two names.");
  if (missing.length) return showProblem(missing.join(" "));
  showProblem("");
  request = new XMLHttpRequest();
  request.responseType = "json";
  request.upload.addEventListener("progress", (sent) => sent.lengthComputable && progress(sent.loaded / sent.total));
  request.upload.addEventListener("load", () => progress(null));
  const asked = request;
  asked.addEventListener("load", () => answered(asked, asked.status, asked.response));
  asked.addEventListener("error", () => answered(asked, 0, null));
  asked.addEventListener("abort", () => done(asked));
  request.open("POST", "/v1/classify");
  working(true);
  progress(0);
  request.send(filledForm());
}

function filledForm() {
  const form = new FormData();
  form.append("classes", typedNames().join("\n"));
  form.append("top", find("top").value);
  form.append("num_clips", find("num-clips").value);
  form.append("timeline", find("timeline").checked);
  form.append("explain", find("explain").checked);
  form.append("video", video);
  return form;
}

function answered(asked, status, body) {
  if (!done(asked)) return;
  if (status === 200 && body) {
    find("found").classList.remove("stale");
    find("announced").textContent = `Named: ${body.ranking[0].name}`;
    showResult(body, find("player"));
    find("result-title").focus();
    return;
  }
  if (!status || !body) return showProblem("The connection broke before there was an answer. Is the server still up?");
  showProblem(body.error, body.problems);
}

// Whether it was the question at hand, which is now at its end.
function done(asked) {
  if (asked !== request) return false;
  request = null;
  if (document.activeElement === find("cancel")) find("send").focus();
  working(false);
  return true;
}

function working(busy) {
  show(find("working"), busy);
  show(find("cancel"), busy);
  find("send").setAttribute("aria-disabled", busy); // a disabled button would lose the focus
  if (busy) outdated();
}

function progress(share) {
  const bar = find("progress");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  const told = share === null ? "Watching it" : "Sending";
  if (find("stage").textContent !== told) find("stage").textContent = told;
}

function showProblem(error, problems = []) {
  const box = find("problem");
  const sentence = error && `${error[0].toUpperCase()}${error.slice(1)}`;
  box.replaceChildren(sentence, ...(problems.length ? [element("ul", {}, ...problems.map((one) => element("li", {}, one)))] : []));
  show(box, error !== "");
  if (error) box.focus();
}

function dropped(event) {
  event.preventDefault();
  document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) choose(file);
}

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file) choose(file);
  event.target.value = ""; // the same file may be chosen again
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("over"));
document.addEventListener("drop", dropped);
find("player").addEventListener("error", () => {
  show(find("player"), false);
  show(find("unplayable"), true);
});
find("names").addEventListener("input", () => {
  outdated();
  namesChanged();
});
find("again").addEventListener("click", () => find("file").click());
find("examples").addEventListener("click", () => {
  outdated();
  useNames(model.examples);
});
find("form").addEventListener("submit", ask);
find("cancel").addEventListener("click", () => request?.abort());
begin();
