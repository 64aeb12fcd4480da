// What the fleet does, looked at again and again: its workers, what waits, and how much is answered.

import * as choice from "./choice.js";
import { authorization, get } from "./parts.js";
import { many, say } from "./words.js";

// Milliseconds between looks, and how many of them the curve shows.
const LOOK_MS = 2000;
const LOOKS = 30;

const rates = [];
let before = null;

async function look() {
  if (document.hidden) return;
  try {
    // 503 says that there is no worker, and what waits for one.
    const reply = await fetch("readyz", { cache: "no-store", headers: authorization() });
    seen(await reply.json(), performance.now());
  } catch {
    before = null;
    status("away", say("The gateway does not answer"));
  }
}

function seen(fleet, at) {
  const workers = fleet.workers;
  status(workers ? "ready" : "empty",
    workers ? many(workers, "Ready: {n} worker", "Ready: {n} workers") : say("No workers"));
  // While nobody works, what was chosen stays.
  if (workers) choice.offer(fleet.models);
  get("workers").textContent = workers;
  get("waiting").textContent = fleet.waiting.captcha.toLocaleString("en");
  get("waiting-bulk").textContent = fleet.waiting["captcha.bulk"].toLocaleString("en");
  const drain = fleet.drain_seconds;
  get("drain").textContent = drain === null ? "–" : drain < 0.05 ? say("now") : `${drain.toFixed(1)} s`;
  if (before && fleet.answered >= before.answered && at > before.at) {
    const rate = ((fleet.answered - before.answered) * 1000) / (at - before.at);
    rates.push(rate);
    if (rates.length > LOOKS) rates.shift();
    get("rate").textContent = rate >= 10 || rate === 0 ? rate.toFixed(0) : rate.toFixed(1);
    draw();
  }
  before = { answered: fleet.answered, at };
}

function status(is, text) {
  const pill = get("status");
  // Only a change is read out.
  if (pill.textContent !== text) pill.textContent = text;
  pill.dataset.is = is;
}

function draw() {
  const most = Math.max(1, ...rates);
  const start = LOOKS - rates.length;
  const points = rates.map((rate, at) =>
    `${(((start + at) * 120) / (LOOKS - 1)).toFixed(1)} ${(30 - (28 * rate) / most).toFixed(1)}`);
  const [area, curve] = get("spark").children;
  curve.setAttribute("d", `M${points.join("L")}`);
  area.setAttribute("d", `M${points.join("L")}V32H${((start * 120) / (LOOKS - 1)).toFixed(1)}Z`);
}

document.addEventListener("visibilitychange", look);
document.addEventListener("language", look);
document.addEventListener("key", look);
setInterval(look, LOOK_MS);
look();
