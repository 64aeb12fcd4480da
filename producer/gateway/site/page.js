// Captchas: shown, sent, and drawn over with what the fleet reads in them. One is on the stage; those
// of this visit are below it (`history`).

import { chosen } from "./choice.js";
import * as history from "./history.js";
import { authorization, drawing, element, get, percent } from "./parts.js";
import { many, say, start } from "./words.js";

const SAMPLES = 4;
const LARGEST = 8 << 20;
const AT_ONCE = 4; // requests, of as many pictures as one drops

let sample = 0;
let shown = null; // the captcha on the stage
const queue = []; // those that are still to be sent
let sending = 0;

// Sending -----------------------------------------------------------------------------------------

function read(entry) {
  Object.assign(entry, { state: "busy", model: chosen() });
  queue.push(entry);
  next();
}

function next() {
  while (sending < AT_ONCE && queue.length) {
    sending += 1;
    send(queue.shift()).finally(() => {
      sending -= 1;
      next();
    });
  }
}

async function send(entry) {
  const began = performance.now();
  try {
    const path = entry.model ? `v1/solve?model=${encodeURIComponent(entry.model)}` : "v1/solve";
    const reply = await fetch(path, { method: "POST", body: entry.picture, headers: headers(entry.picture) });
    const said = await reply.json().catch(() => ({}));
    if (reply.ok) Object.assign(entry, { state: "answered", answer: said, took: performance.now() - began });
    else refused(entry, reply, said);
  } catch {
    failed(entry, "The gateway does not answer", () => say("Is it still running?"), true);
  }
  if (entry === shown) show(entry);
  else draw();
}

function headers(picture) {
  const kind = picture.type.startsWith("image/") ? picture.type : "application/octet-stream";
  return { "Content-Type": kind, ...authorization() };
}

const REFUSED = {
  NotAnImage: "That is not a picture",
  BrokenImage: "The picture is damaged",
  WrongSize: "The picture has another size",
  TooLarge: "The file is too large",
  Overloaded: "The fleet has too much to do",
  FleetUnreachable: "The fleet is away",
  AnswerTimeout: "No answer in time",
  UnknownModel: "No worker holds this model",
  "Too Many Requests": "Your key's quota is used up",
};

function refused(entry, reply, problem) {
  if (reply.status === 401) {
    entry.state = "waiting";
    const known = sessionStorage.getItem("key");
    openDoor(known ? "This gateway does not know your key." : "This gateway asks for a key.");
    return;
  }
  const wait = Number(reply.headers.get("Retry-After"));
  const when = () => (wait ? ` ${many(wait, "Try again in {n} second.", "Try again in {n} seconds.")}` : "");
  const detail = problem.detail ?? `HTTP ${reply.status}`;
  failed(entry, REFUSED[problem.title] ?? "It could not be read", () => detail + when(), reply.status >= 429);
}

// `detail` gives a text: in the language of the moment.
function failed(entry, title, detail, again) {
  Object.assign(entry, { state: "failed", problem: { title, detail, again } });
}

// The stage ---------------------------------------------------------------------------------------

function show(entry) {
  const image = get("picture");
  if (shown !== entry || !image.src) {
    image.hidden = false;
    get("invite").hidden = true;
    image.onerror = () => { image.hidden = true; get("invite").hidden = false; };
    image.onload = () => entry === shown && entry.state === "answered" && mark(entry.answer);
    image.onload = () => {
      get("stage").style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
      if (entry === shown && entry.state === "answered") mark(entry.answer);
    };
    image.src = entry.url;
  }
  shown = entry;
  image.alt = say("The captcha {name}", { name: entry.name });
  get("stage").dataset.state = entry.state;
  get("marks").setAttribute("hidden", ""); // a drawing has no such property
  get("trouble").hidden = entry.state !== "failed";
  get("answer").hidden = entry.state !== "answered";
  get("waiting-for").hidden = entry.state === "answered";
  get("spoken").textContent = entry.state === "busy" ? say("Reading …") : "";
  if (entry.state === "failed") complain(entry.problem);
  if (entry.state === "answered") answered(entry.answer, entry.took);
  draw();
}

function draw() {
  history.draw(shown);
}

function complain({ title, detail, again }) {
  get("trouble-title").textContent = say(title);
  get("trouble-detail").textContent = detail();
  get("again").hidden = !again;
}

function answered(answer, tookMs) {
  get("words").replaceChildren(...answer.words.map((word) =>
    element("span", { class: "word", ...language(word.label) }, word.label, " ", element("small", {}, percent(word.confidence)))));
  const which = answer.picks.join(", ");
  const verdict = answer.picks.length
    ? many(answer.picks.length, "Click {n} tile: {which}", "Click {n} tiles: {which}", { which })
    : say("No tile shows it");
  get("verdict").textContent = verdict;
  get("sure").value = answer.confidence;
  get("sure-text").textContent = say("{share} sure that all of it is right", { share: percent(answer.confidence) });
  // As many in a row as on the picture.
  const columns = answer.grid?.columns ?? 4;
  get("tiles").style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  get("tiles").replaceChildren(...answer.tiles.map((tile, at) => {
    const is = answer.picks.includes(at + 1);
    return element("li", { class: is ? "picked" : "" },
      element("b", language(tile.label), tile.label),
      element("small", {}, `${at + 1} · ${percent(tile.confidence)}`),
      ...(is ? [element("span", { class: "unseen" }, say("picked"))] : []));
  }));
  const timing = answer.timing;
  facts({
    [say("Clicks")]: answer.points.map(([x, y]) => `${x},${y}`).join("  ") || say("none"),
    [say("Model")]: answer.model,
    ...(timing ? { [say("Pass")]: many(timing.pass_size, "{ms} ms, {n} captcha", "{ms} ms, {n} captchas",
      { ms: timing.pass_ms.toFixed(1) }) } : {}),
    [say("Round trip")]: say("{ms} ms", { ms: Math.round(tookMs) }),
  });
  if (get("picture").naturalWidth) mark(answer); // else when it is loaded
  get("spoken").textContent = `${answer.words.map((word) => word.label).join(", ")}. ${verdict}.`;
}

// Of a word, for whoever reads it aloud: the built-in model's are Chinese, another's may not be.
const language = (word) => (/\p{Script=Han}/u.test(word) ? { lang: "zh" } : {});

function facts(rows) {
  get("facts").replaceChildren(...Object.entries(rows).flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
}

function mark(answer) {
  const picture = get("picture");
  // Once it is loaded, this is called again. Workers of before do not tell where the tiles are.
  if (!answer.grid || !picture.naturalWidth) return;
  const marks = [];
  const { columns, tile } = answer.grid;
  // Text and lines are as large beside a tile whatever the picture's size: a tile is 67 units high.
  const unit = tile[1] / 67;
  const [lefts, tops, [width, height]] = [answer.grid.lefts, answer.grid.tops, tile].map((lengths) =>
    lengths.map((length) => length / unit));
  get("marks").setAttribute("viewBox", `0 0 ${picture.naturalWidth / unit} ${picture.naturalHeight / unit}`);
  answer.tiles.forEach((tile, at) => {
    const [x, y] = [lefts[at % columns], tops[Math.floor(at / columns)]];
    const is = answer.picks.includes(at + 1);
    const box = { x, y, width, height };
    if (!is) marks.push(drawing("rect", { ...box, class: "other" }));
    marks.push(drawing("rect", { x, y: y + height - 15, width, height: 15, class: is ? "strip picked" : "strip" }));
    marks.push(drawing("text", { x: x + 4, y: y + height - 4, class: "strip-text" }, tile.label));
    marks.push(drawing("text", { x: x + width - 4, y: y + height - 4, class: "strip-share" }, percent(tile.confidence, "")));
    if (is) {
      const [cx, cy] = [x + width - 8, y + 8];
      marks.push(
        drawing("rect", { x: x - 1.5, y: y - 1.5, width: width + 3, height: height + 3, rx: 3, class: "pick" }),
        drawing("circle", { cx, cy, r: 8.5, class: "badge" }),
        drawing("path", { d: `M${cx - 3.6} ${cy + 0.2}l2.6 2.8 4.8-5.6`, class: "badge-tick" }));
    }
  });
  get("marks").replaceChildren(...marks);
  get("marks").removeAttribute("hidden");
}

// Ways in -----------------------------------------------------------------------------------------

// All of them are read; the first is shown.
function take(pictures) {
  const entries = [...pictures].map((picture) => history.add(picture, picture.name || say("from the clipboard"), show));
  for (const entry of entries) {
    if (entry.picture.size > LARGEST) {
      const size = `${entry.name}: ${Math.round(entry.picture.size / 1e6)} MB`;
      failed(entry, REFUSED.TooLarge, () => size, false);
    } else {
      read(entry);
    }
  }
  if (entries.length) show(entries[0]);
}

get("choose").addEventListener("click", () => get("file").click());
get("stage").addEventListener("click", () => get("invite").hidden || get("file").click());
get("file").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = "";
});
get("sample").addEventListener("click", async () => {
  sample = (sample % SAMPLES) + 1;
  let entry;
  try {
    const reply = await fetch(`site/sample-${sample}.jpg`);
    entry = history.add(await reply.blob(), say("sample {n}", { n: sample }), show);
    read(entry);
  } catch {
    entry = history.add(new Blob(), say("sample {n}", { n: sample }), show);
    failed(entry, "The gateway does not answer", () => say("Is it still running?"), false);
  }
  show(entry);
});
get("again").addEventListener("click", () => {
  read(shown);
  show(shown);
});

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) {
    event.preventDefault();
    take(event.clipboardData.files);
  }
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer.files);
});

// The key: in this tab only -----------------------------------------------------------------------

let why = "";

function openDoor(reason) {
  why = reason;
  get("door").hidden = false;
  get("show-door").setAttribute("aria-expanded", "true");
  get("door-why").textContent = say(why);
  get("key").focus();
}

get("show-door").addEventListener("click", () => {
  if (get("door").hidden) {
    openDoor("");
  } else {
    closeDoor();
  }
});
get("door").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = get("key").value.trim();
  if (key) sessionStorage.setItem("key", key);
  else sessionStorage.removeItem("key");
  get("key").value = "";
  closeDoor();
  document.dispatchEvent(new Event("key")); // it may be bound to one model
  for (const entry of history.waiting()) read(entry);
  if (shown) show(shown);
});

function closeDoor() {
  get("door").hidden = true;
  get("show-door").setAttribute("aria-expanded", "false");
  get("show-door").focus();
}

start(() => {
  get("door-why").textContent = say(why);
  if (shown) show(shown);
});
