// The captchas of this visit as thumbnails: which are being read, what was read, what went wrong.

import { element, get } from "./parts.js";
import { say } from "./words.js";

// So many are kept; pictures stay in this tab's memory only.
const MOST = 48;

const entries = []; // the newest first

// A thumbnail is made once and changed in place, so that it keeps the keyboard's focus. `choose` is
// called with the entry when it is wanted on the stage.
export function add(picture, name, choose) {
  const url = URL.createObjectURL(picture);
  const image = element("img", { src: url, alt: "", width: 88, height: 57 });
  image.addEventListener("error", () => image.classList.add("none"));
  const sign = element("span", { class: "mark", "aria-hidden": "true" });
  const button = element("button", { type: "button" }, image, sign);
  const entry = { picture, name, url, state: "busy", button, sign, row: element("li", {}, button) };
  button.addEventListener("click", () => choose(entry));
  entries.unshift(entry);
  get("history").prepend(entry.row);
  while (entries.length > MOST) {
    const last = entries.pop();
    last.row.remove();
    URL.revokeObjectURL(last.url);
  }
  return entry;
}

export const waiting = () => entries.filter((entry) => entry.state === "waiting");

// `shown`: the one on the stage.
export function draw(shown) {
  get("before").hidden = entries.length < 2;
  for (const entry of entries) {
    const label = described(entry);
    entry.button.title = label;
    entry.button.setAttribute("aria-label", label);
    entry.button.setAttribute("aria-pressed", String(entry === shown));
    entry.button.dataset.state = entry.state;
    entry.sign.textContent = mark(entry);
  }
}

const mark = ({ state, answer }) =>
  ({ busy: "…", waiting: "🔑", failed: "!" })[state] ?? (answer.picks.join(" ") || "–");

function described({ name, state, answer, problem }) {
  if (state === "busy") return say("{name}: reading …", { name });
  if (state === "waiting") return say("{name}: waiting for a key", { name });
  if (state === "failed") return say("{name}: {why}", { name, why: say(problem.title) });
  return say("{name}: tiles {which}", { name, which: answer.picks.join(", ") || say("none") });
}
