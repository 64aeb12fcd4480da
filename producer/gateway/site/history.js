// The captchas of this visit as thumbnails: which are being read, what was read, what went wrong.

import { element, get } from "./parts.js";
import { say } from "./words.js";

// So many are kept; pictures stay in this tab's memory only.
const MOST = 48;

const entries = []; // the newest first

export function add(picture, name) {
  const entry = { picture, name, url: URL.createObjectURL(picture), state: "busy" };
  entry.node = element("li", {});
  entries.unshift(entry);
  while (entries.length > MOST) URL.revokeObjectURL(entries.pop().url);
  return entry;
}

export const waiting = () => entries.filter((entry) => entry.state === "waiting");

// `shown`: the one on the stage; `choose` is called with another one.
export function draw(shown, choose) {
  get("before").hidden = entries.length < 2;
  get("history").replaceChildren(...entries.map((entry) => thumbnail(entry, entry === shown, choose)));
}

function thumbnail(entry, isShown, choose) {
  const label = described(entry);
  const button = element("button", {
    type: "button",
    title: label,
    "aria-label": label,
    "aria-pressed": String(isShown),
    "data-state": entry.state,
  }, picture(entry), element("span", { class: "mark", "aria-hidden": "true" }, mark(entry)));
  button.addEventListener("click", () => choose(entry));
  return element("li", {}, button);
}

function picture(entry) {
  const image = element("img", { src: entry.url, alt: "", width: 88, height: 57 });
  image.addEventListener("error", () => image.classList.add("none"));
  return image;
}

const mark = ({ state, answer }) =>
  ({ busy: "…", waiting: "🔑", failed: "!" })[state] ?? (answer.picks.join(" ") || "–");

function described({ name, state, answer, problem }) {
  if (state === "busy") return say("{name}: reading …", { name });
  if (state === "waiting") return say("{name}: waiting for a key", { name });
  if (state === "failed") return say("{name}: {why}", { name, why: say(problem.title) });
  return say("{name}: tiles {which}", { name, which: answer.picks.join(", ") || say("none") });
}
