// One captcha at a time: shown, sent, and drawn over with what the fleet reads in it.

import { drawing, element, get, one, percent } from "./parts.js";

const SAMPLES = 4;
const LARGEST = 8 << 20;

let sample = 0;
let sending = 0; // which captcha is the latest: an answer to another one is not shown
let last = null; // the picture to send again

// The captcha -------------------------------------------------------------------------------------

async function read(picture, name) {
  const turn = ++sending;
  last = { picture, name };
  show(picture, name);
  state("busy");
  const began = performance.now();
  let reply;
  try {
    reply = await fetch("v1/solve", { method: "POST", body: picture, headers: headers(picture) });
  } catch {
    return turn === sending && fail("The gateway does not answer", "Is it still running?", true);
  }
  const said = await reply.json().catch(() => ({}));
  if (turn !== sending) return;
  if (reply.ok) {
    const took = performance.now() - began;
    await get("picture").decode().catch(() => {}); // its size is known then
    if (turn === sending) answered(said, took);
  }
  else refused(reply, said);
}

function headers(picture) {
  const key = sessionStorage.getItem("key");
  return {
    "Content-Type": picture.type.startsWith("image/") ? picture.type : "application/octet-stream",
    ...(key ? { Authorization: `Bearer ${key}` } : {}),
  };
}

const REFUSED = {
  NotAnImage: "That is not a picture",
  BrokenImage: "The picture is damaged",
  WrongSize: "The picture has another size",
  TooLarge: "The file is too large",
  Overloaded: "The fleet has too much to do",
  FleetUnreachable: "The fleet is away",
  AnswerTimeout: "No answer in time",
  "Too Many Requests": "Your key's quota is used up",
};

function refused(reply, problem) {
  if (reply.status === 401) {
    state("waiting");
    openDoor(sessionStorage.getItem("key") ? "This gateway does not know your key." : "This gateway asks for a key.");
    return;
  }
  const title = REFUSED[problem.title] ?? "It could not be read";
  const wait = reply.headers.get("Retry-After");
  const when = wait ? ` Try again in ${one(Number(wait), "second")}.` : "";
  fail(title, (problem.detail ?? `HTTP ${reply.status}`) + when, reply.status >= 429);
}

function show(picture, name) {
  const image = get("picture");
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
  image.alt = `The captcha ${name}`;
  image.onload = () => { get("stage").style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`; };
  image.hidden = false;
  image.onerror = () => { image.hidden = true; get("invite").hidden = false; };
  get("invite").hidden = true;
  get("marks").setAttribute("hidden", ""); // a drawing has no such property
  get("trouble").hidden = true;
}

function state(now) {
  get("stage").dataset.state = now;
  get("answer").hidden = now !== "answered";
  get("waiting-for").hidden = now === "answered";
  if (now === "busy") get("spoken").textContent = "Reading …";
}

function fail(title, detail, again) {
  state("failed");
  get("spoken").textContent = "";
  get("trouble-title").textContent = title;
  get("trouble-detail").textContent = detail;
  get("again").hidden = !again;
  get("trouble").hidden = false;
}

// The answer --------------------------------------------------------------------------------------

function answered(answer, tookMs) {
  state("answered");
  get("words").replaceChildren(...answer.words.map((word) =>
    element("span", { class: "word" }, word.label, " ", element("small", { lang: "en" }, percent(word.confidence)))));
  const picked = answer.picks.map((pick) => `${pick}`).join(", ");
  const verdict = answer.picks.length ? `Click ${one(answer.picks.length, "tile")}: ${picked}` : "No tile shows it";
  get("verdict").textContent = verdict;
  get("sure").value = answer.confidence;
  get("sure-text").textContent = `${percent(answer.confidence)} sure that all of it is right`;
  get("tiles").replaceChildren(...answer.tiles.map((tile, at) => {
    const is = answer.picks.includes(at + 1);
    return element("li", { class: is ? "picked" : "" },
      element("b", { lang: "zh" }, tile.label),
      element("small", {}, `${at + 1} · ${percent(tile.confidence)}`),
      ...(is ? [element("span", { class: "unseen" }, "picked")] : []));
  }));
  const timing = answer.timing;
  facts({
    "Clicks": answer.points.map(([x, y]) => `${x},${y}`).join("  ") || "none",
    "Model": answer.model,
    ...(timing ? { "Pass": `${timing.pass_ms.toFixed(1)} ms, ${one(timing.pass_size, "captcha")}` } : {}),
    "Round trip": `${Math.round(tookMs)} ms`,
  });
  mark(answer);
  get("spoken").textContent = `${answer.words.map((word) => word.label).join(", ")}. ${verdict}.`;
}

function facts(rows) {
  get("facts").replaceChildren(...Object.entries(rows).flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
}

function mark(answer) {
  const marks = [];
  const { columns, tile } = answer.grid;
  const picture = get("picture");
  // Text and lines are as large beside a tile whatever the picture's size: a tile is 66 units high.
  const unit = tile[1] / 66;
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

function take(picture) {
  if (!picture) return;
  if (picture.size > LARGEST) {
    fail(REFUSED.TooLarge, `${picture.name}: ${Math.round(picture.size / 1e6)} MB`, false);
    return;
  }
  read(picture, picture.name || "from the clipboard");
}

get("choose").addEventListener("click", () => get("file").click());
get("file").addEventListener("change", (event) => {
  take(event.target.files[0]);
  event.target.value = "";
});
get("sample").addEventListener("click", async () => {
  sample = (sample % SAMPLES) + 1;
  try {
    const reply = await fetch(`site/sample-${sample}.jpg`);
    await read(await reply.blob(), `sample ${sample}`);
  } catch {
    fail("The gateway does not answer", "Is it still running?", false);
  }
});
get("again").addEventListener("click", () => last && read(last.picture, last.name));

document.addEventListener("paste", (event) => {
  const picture = [...event.clipboardData.files][0];
  if (picture) {
    event.preventDefault();
    take(picture);
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
  take(event.dataTransfer.files[0]);
});

// The key: in this tab only -----------------------------------------------------------------------

function openDoor(why) {
  get("door").hidden = false;
  get("show-door").setAttribute("aria-expanded", "true");
  get("door-why").textContent = why;
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
  if (last && get("stage").dataset.state === "waiting") read(last.picture, last.name);
});

function closeDoor() {
  get("door").hidden = true;
  get("show-door").setAttribute("aria-expanded", "false");
  get("show-door").focus();
}
